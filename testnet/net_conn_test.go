package testnet

import (
	"context"
	"errors"
	"net/url"
	"syscall"
	"testing"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
	"github.com/peermesh/peermesh/transport/transporttest"
)

// pipes dials memory; the other ends come by the channel.
type pipes chan transport.Conn

func (p pipes) Dial(context.Context, *url.URL) (transport.Conn, error) {
	a, b := mem.Pipe()
	p <- b
	return a, nil
}

// dialled returns both ends of a pipe that one node dialled to another.
func dialled(t testing.TB) (f *faults, from, to *member, a, b transport.Conn) {
	t.Helper()
	f, from, to = &faults{}, &member{}, &member{}
	f.init()
	f.know("b:1", to)
	accepted := make(pipes, 1)
	a, err := (&dialer{accepted, f, &lines{}, from}).Dial(t.Context(), &url.URL{Scheme: "ws", Host: "b:1"})
	if err != nil {
		t.Fatal(err)
	}
	b = <-accepted
	t.Cleanup(func() { a.Close(); b.Close() })
	return f, from, to, a, b
}

func TestConnWithoutFaultsIsItsCarrier(t *testing.T) {
	transporttest.Run(t, "memory", func(t testing.TB) (a, b transport.Conn) {
		_, _, _, a, b = dialled(t)
		return a, b
	})
}

func TestFaultsTable(t *testing.T) {
	a, b, c := &member{}, &member{}, &member{}
	for _, test := range []struct {
		name string
		do   func(*faults)
		want [3]Fault // a to b, a to c, a to an address that nobody knows
	}{
		{"none", func(*faults) {}, [3]Fault{}},
		{"a group", func(f *faults) { f.group = map[*member]bool{a: true, b: true} }, [3]Fault{LinkUp, LinkCut, LinkCut}},
		{"another group", func(f *faults) { f.group = map[*member]bool{b: true} }, [3]Fault{LinkCut, LinkUp, LinkUp}},
		{"one silent", func(f *faults) { f.silent[b] = true }, [3]Fault{LinkSilent, LinkUp, LinkUp}},
		{"self silent", func(f *faults) { f.silent[a] = true }, [3]Fault{LinkSilent, LinkSilent, LinkSilent}},
		{"a pair", func(f *faults) { f.links[[2]*member{a, c}] = LinkSilent }, [3]Fault{LinkUp, LinkSilent, LinkUp}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var f faults
			f.init()
			f.know("b:1", b)
			f.know("c:1", c)
			f.change(test.do)
			if got := [3]Fault{f.between(a, "b:1"), f.between(a, "c:1"), f.between(a, "x:1")}; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestCutEndsPipesAndRefusesDials(t *testing.T) {
	f, from, _, a, b := dialled(t)
	f.change(func(f *faults) { f.group = map[*member]bool{from: true} })
	for name, c := range map[string]transport.Conn{"dialled": a, "accepted": b} {
		if _, err := c.Receive(func() []byte { return make([]byte, 10) }); err == nil {
			t.Errorf("%s end: got a message, want the end", name)
		}
	}
	_, err := (&dialer{make(pipes, 1), f, &lines{}, from}).Dial(t.Context(), &url.URL{Scheme: "ws", Host: "b:1"})
	var dial *transport.DialError
	if !errors.As(err, &dial) || dial.Stage != transport.StageConnect || !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("dial: got %v, want a DialError of the stage connect", err)
	}
}

func TestSilentPipeLosesEverythingUntilItsEnd(t *testing.T) {
	f, _, to, a, b := dialled(t)
	ended := make(chan error, 1)
	go func() {
		_, err := a.Receive(func() []byte { return make([]byte, 10) })
		ended <- err
	}()
	f.change(func(f *faults) { f.silent[to] = true })
	for _, c := range []transport.Conn{a, b, b} {
		if err := errors.Join(c.Send([]byte("lost")), c.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	f.change(func(f *faults) { delete(f.silent, to) }) // what lost messages does not come back
	if err := <-ended; err == nil {
		t.Error("dialled end: got a message, want the end")
	}
	if msg, err := b.Receive(func() []byte { return make([]byte, 10) }); err == nil {
		t.Errorf("accepted end: got %q, want the end", msg)
	}
}
