package mem_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
	"github.com/peermesh/peermesh/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pipe(testing.TB) (a, b transport.Conn) {
	x, y := mem.Pipe()
	return x, y
}

func TestConformance(t *testing.T) {
	transporttest.Run(t, "pipe", pipe)
	transporttest.RunInBubble(t, "bubble", pipe)
	transporttest.RunInBubble(t, "delayed", func(testing.TB) (a, b transport.Conn) {
		x, y := mem.Pipe()
		x.SetFaults(mem.Faults{Delay: 30 * time.Millisecond})
		y.SetFaults(mem.Faults{Delay: 50 * time.Millisecond})
		return x, y
	})
	transporttest.Run(t, "network", func(t testing.TB) (a, b transport.Conn) {
		var n mem.Network
		l := listen(t, &n, "b", func(c transport.Conn) { b = c })
		a = dial(t, &n, l.Addr().String())
		return a, b
	})
}

func FuzzBytes(f *testing.F) { transporttest.FuzzBytes(f, pipe) }

func listen(t testing.TB, n *mem.Network, name string, accept func(transport.Conn)) *mem.Listener {
	t.Helper()
	l, err := n.Listen(name, accept)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t testing.TB, n *mem.Network, target string) transport.Conn {
	t.Helper()
	c, err := dialErr(n, target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dialErr(n *mem.Network, target string) (transport.Conn, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	return n.Dialer("a").Dial(context.Background(), u)
}

func sendAll(t *testing.T, c transport.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := errors.Join(c.Send([]byte(text)), c.Flush()); err != nil {
			t.Fatal(err)
		}
	}
}

func receive(t *testing.T, c transport.Conn) string {
	t.Helper()
	msg, err := c.Receive(func() []byte { return make([]byte, 100) })
	if err != nil {
		t.Fatal(err)
	}
	return string(msg)
}

func TestDrop(t *testing.T) {
	a, b := mem.Pipe()
	a.SetFaults(mem.Faults{Drop: func(msg []byte) bool { return string(msg) == "lost" }})
	sendAll(t, a, "one", "lost", "two")
	for _, want := range []string{"one", "two"} {
		if got := receive(t, b); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		const delay = 70 * time.Millisecond
		a.SetFaults(mem.Faults{Delay: delay})
		began := time.Now()
		sendAll(t, a, "one", "two")
		a.SetFaults(mem.Faults{})
		sendAll(t, a, "three") // does not overtake
		for _, want := range []string{"one", "two", "three"} {
			if got := receive(t, b); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if took := time.Since(began); took != delay {
			t.Errorf("arrived after %v, want %v", took, delay)
		}
	})
}

func TestStallAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		a.Stall()
		sendAll(t, a, "late")
		got := make(chan string)
		go func() { got <- receive(t, b) }()
		synctest.Wait()
		select {
		case msg := <-got:
			t.Fatalf("got %q through a stalled pipe, want nothing", msg)
		default:
		}
		a.Resume()
		if msg := <-got; msg != "late" {
			t.Errorf("got %q, want %q", msg, "late")
		}
	})
}

// A sender that nobody reads from is told so, after limits.WriteStall and not
// before.
func TestWriteStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		fill(t, a)
		began := time.Now()
		err := a.Flush()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Flush to a peer that does not read: got %v, want ErrDeadlineExceeded", err)
		}
		if took := time.Since(began); took != limits.WriteStall {
			t.Errorf("gave up after %v, want %v", took, limits.WriteStall)
		}
		_, err = b.Receive(func() []byte { return make([]byte, 100) })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Receive afterwards: got %v, want ErrDeadlineExceeded", err)
		}
	})
}

// One message in each stall time is progress enough.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		fill(t, a)
		flushed := make(chan error)
		go func() { flushed <- a.Flush() }()
		for range 3 {
			time.Sleep(limits.WriteStall - time.Second)
			receive(t, b)
		}
		if err := <-flushed; err != nil {
			t.Errorf("Flush to a slow reader: got %v, want no error", err)
		}
	})
}

// fill queues small messages up to the bound and gathers one more batch, for
// which two of them must go.
func fill(t *testing.T, c *mem.Conn) {
	t.Helper()
	msg := make([]byte, 60)
	for done := true; done; {
		err := c.Send(msg)
		if err == nil {
			done, err = c.TryFlush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.Send(msg), c.Send(msg)); err != nil {
		t.Fatal(err)
	}
}

func TestBreak(t *testing.T) {
	a, b := mem.Pipe()
	sendAll(t, a, "lost")
	b.Break()
	for name, c := range map[string]*mem.Conn{"a": a, "b": b} {
		_, err := c.Receive(func() []byte { return make([]byte, 100) })
		if !errors.Is(err, io.EOF) {
			t.Errorf("Receive at %s of a broken pipe: got %v, want io.EOF", name, err)
		}
		if err := c.Send(nil); !errors.Is(err, io.EOF) {
			t.Errorf("Send at %s of a broken pipe: got %v, want io.EOF", name, err)
		}
	}
}

func TestDialErrors(t *testing.T) {
	var n mem.Network
	gone := listen(t, &n, "gone", func(transport.Conn) {})
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("partitioned")
	listen(t, &n, "far", func(transport.Conn) { t.Error("accepted a refused dial") })
	n.Opening = func(from, to string, _, _ *mem.Conn) error { return refused }
	cases := []struct {
		name, url, stage string
		cause            error
	}{
		{"other scheme", "ws://b", transport.StageParse, nil},
		{"no name", "mem:", transport.StageParse, nil},
		{"nobody", "mem://nobody", transport.StageConnect, nil},
		{"closed listener", "mem://gone", transport.StageConnect, nil},
		{"refused by the test", "mem://far", transport.StageConnect, refused},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := dialErr(&n, c.url)
			var de *transport.DialError
			if !errors.As(err, &de) || de.Stage != c.stage {
				t.Fatalf("got %v, want a DialError at stage %s", err, c.stage)
			}
			if c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("got %v, want one that is %v", err, c.cause)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	var n mem.Network
	var accepted transport.Conn
	listen(t, &n, "b", func(c transport.Conn) { accepted = c })
	if _, err := n.Listen("b", nil); err == nil {
		t.Error("Listen on a taken name: got no error, want one")
	}
	if _, err := n.Listen("", nil); err == nil {
		t.Error("Listen without a name: got no error, want one")
	}
	dialled := dial(t, &n, "mem://b#0011")
	if got, want := dialled.RemoteAddr().String(), "mem://b"; got != want {
		t.Errorf("RemoteAddr of the dialler: got %q, want %q", got, want)
	}
	if got, want := accepted.RemoteAddr().String(), "mem://a"; got != want {
		t.Errorf("RemoteAddr of the listener: got %q, want %q", got, want)
	}
}

func TestSteadyStateAllocations(t *testing.T) {
	a, b := mem.Pipe()
	msg, room := make([]byte, 1000), make([]byte, 2000)
	memory := func() []byte { return room }
	got := testing.AllocsPerRun(1000, func() {
		_ = a.Send(msg)
		_ = a.Flush()
		_, _ = b.Receive(memory)
	})
	if got > 0 {
		t.Errorf("allocations for one message: got %v, want 0", got)
	}
}
