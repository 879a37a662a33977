package netwatch

import (
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// fake is a machine of a test.
type fake struct {
	mu     sync.Mutex
	now    Picture
	fails  error
	stood  time.Duration
	deaf   bool
	looks  int
	hint   chan struct{}
	closed chan struct{}
}

func newFake(addrs ...string) *fake {
	f := &fake{hint: make(chan struct{}, 64), closed: make(chan struct{})}
	f.now = picture(addrs...)
	return f
}

func picture(addrs ...string) (p Picture) {
	for _, a := range addrs {
		p.add(netip.MustParseAddr(a), true)
	}
	return p
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// becomes changes the machine, and says so.
func (f *fake) becomes(p Picture) {
	f.set(func() { f.now = p })
	if !f.deaf {
		f.hint <- struct{}{}
	}
}

func (f *fake) Look() (Picture, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return f.now, f.fails
}

func (f *fake) Wait(until time.Time) (bool, error) {
	select {
	case <-f.hint:
		return true, nil
	case <-time.After(time.Until(until)):
		return false, nil
	case <-f.closed:
		return false, errClosed
	}
}

func (f *fake) Hints() bool { return !f.deaf }

func (f *fake) Stood() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stood
}

func (f *fake) Close() error { close(f.closed); return nil }

// watching runs a watcher of a fake machine; the changes that it told are those of
// the function returned.
func watching(t *testing.T, f *fake) func() []Change {
	var mu sync.Mutex
	var all []Change
	w := New(f)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(func(c Change) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
		})
	}()
	t.Cleanup(func() {
		w.Close()
		w.Close()
		<-ended
	})
	return func() []Change {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		got := all
		all = nil
		return got
	}
}

func addrs(all ...string) (out []netip.Addr) {
	for _, a := range all {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestAddressesThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("127.0.0.1", "192.168.1.7", "10.0.0.1")
		told := watching(t, f)
		time.Sleep(time.Minute)
		if got := told(); len(got) != 0 {
			t.Fatalf("nothing changed: got %v", got)
		}
		f.becomes(picture("127.0.0.1", "10.0.0.1"))
		time.Sleep(limits.NetGather / 2)
		f.becomes(picture("10.0.0.1", "127.0.0.1", "192.168.1.9", "192.168.1.8"))
		time.Sleep(2 * limits.NetGather)
		want := []Change{{Gone: addrs("192.168.1.7"), New: addrs("192.168.1.8", "192.168.1.9")}}
		if got := told(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// A cable that is pulled leaves the address; put in, the address is new.
func TestCableOutAndIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.168.1.7")
		told := watching(t, f)
		out := picture("192.168.1.7")
		out.Ready = nil
		f.becomes(out)
		time.Sleep(time.Second)
		if got, want := told(), []Change{{Dead: addrs("192.168.1.7")}}; !reflect.DeepEqual(got, want) {
			t.Errorf("out: got %v, want %v", got, want)
		}
		f.becomes(picture("192.168.1.7"))
		time.Sleep(time.Second)
		if got, want := told(), []Change{{New: addrs("192.168.1.7")}}; !reflect.DeepEqual(got, want) {
			t.Errorf("in: got %v, want %v", got, want)
		}
	})
}

func TestAnotherWayOut(t *testing.T) {
	for name, change := range map[string]func(*Picture){
		"another address": func(p *Picture) { p.Out[1] = netip.MustParseAddr("2001:db8::7") },
		"another gateway": func(p *Picture) { p.Ways++ },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("192.168.1.7")
				told := watching(t, f)
				p := f.now
				change(&p)
				f.becomes(p)
				time.Sleep(time.Second)
				if got, want := told(), []Change{{Moved: true}}; !reflect.DeepEqual(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

// Changes without end are told all the same, and not each of them.
func TestChangesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.168.1.7")
		told := watching(t, f)
		for i := range 1000 {
			f.becomes(picture([]string{"192.168.1.7", "192.168.1.8", "192.168.1.9"}[i%3]))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if got, most := len(told()), int(10*time.Second/limits.NetGatherMost)+1; got == 0 || got > most {
			t.Errorf("got %d changes in 10 s, want some and at most %d", got, most)
		}
	})
}

// A machine that does not say when it changes is looked at.
func TestWithoutHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.168.1.7")
		f.deaf = true
		told := watching(t, f)
		f.becomes(picture("192.168.1.9"))
		time.Sleep(limits.NetLook + limits.NetTick)
		if got, want := told(), []Change{{Gone: addrs("192.168.1.7"), New: addrs("192.168.1.9")}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		f.set(func() { f.looks = 0 })
		time.Sleep(time.Minute)
		f.set(func() {
			if f.looks > 31 {
				t.Errorf("looked %d times in a minute, want at most 31", f.looks)
			}
		})
	})
}

// What the machine does not tell has not changed.
func TestMachineThatDoesNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.168.1.7")
		told := watching(t, f)
		f.set(func() { f.fails = errClosed })
		f.becomes(Picture{})
		time.Sleep(time.Minute)
		f.set(func() { f.fails = nil })
		f.becomes(picture("192.168.1.7"))
		time.Sleep(time.Minute)
		if got := told(); len(got) != 0 {
			t.Errorf("got %v, want no change", got)
		}
	})
}

// A machine slept whose clocks differ, and a process that did not run for long.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("192.168.1.7")
		told := watching(t, f)
		f.set(func() { f.stood += limits.NetSlept - 1 })
		time.Sleep(2 * limits.NetTick)
		if got := told(); len(got) != 0 {
			t.Errorf("a busy moment: got %v, want no change", got)
		}
		f.set(func() { f.stood += time.Hour })
		time.Sleep(2 * limits.NetTick)
		if got, want := told(), []Change{{Slept: time.Hour}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	w := New(newFake())
	defer w.Close()
	if got, want := w.clocks(w.at.Add(20*time.Second)), 20*time.Second-limits.NetTick; got != want {
		t.Errorf("a tick that came 20 s after the last: got %v, want %v", got, want)
	}
	if got := w.clocks(w.at.Add(-time.Hour)); got != 0 {
		t.Errorf("a clock that goes back: got %v, want 0", got)
	}
}

func TestChangeInWords(t *testing.T) {
	for want, c := range map[string]Change{
		"gone: 10.0.0.1 10.0.0.2, new: 10.0.0.3": {Gone: addrs("10.0.0.1", "10.0.0.2"), New: addrs("10.0.0.3")},
		"without a carrier: 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 and 2 more": {
			Dead: addrs("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"),
		},
		"another way out, slept for 20s": {Moved: true, Slept: 20 * time.Second},
	} {
		if got := c.String(); got != want || !c.Any() {
			t.Errorf("got %q (%v), want %q", got, c.Any(), want)
		}
	}
	if (&Change{}).Any() {
		t.Error("no change: got one")
	}
}

// This machine has a picture, and its watcher ends when it is told to.
func TestThisMachine(t *testing.T) {
	for name, m := range map[string]Machine{"as it is": local(), "polled": newPoller()} {
		p, err := m.Look()
		if err != nil || !slices.Contains(p.Addrs, netip.MustParseAddr("127.0.0.1")) {
			t.Errorf("%s: got %v, %v, want a picture with 127.0.0.1", name, p, err)
		}
		w := New(m)
		ended := make(chan struct{})
		go func() {
			w.Run(func(Change) {})
			close(ended)
		}()
		w.Close()
		<-ended
	}
}
