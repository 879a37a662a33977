package dgram_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// overMem runs a test in virtual time on two conns with a relay between them.
func overMem(t *testing.T, test func(t *testing.T, a, b *dgram.PacketConn)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memPair(t)
		test(t, a, b)
	})
}

// What is sent before the node has a link goes when it has one.
func TestWritesBeforeAnyLinkWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memNet{}
		far := m.relay(t, "far")
		a := conn(t, m.leaf("a", "far"), 7)
		b, err := dgram.ListenConfig(m.leaf("b", "relay"), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		const sent = 20
		for i := range sent {
			write(t, b, fmt.Sprint(i), a.LocalAddr())
		}
		time.Sleep(time.Second)
		m.relay(t, "relay", "far") // only now
		missing := make(map[string]bool)
		for i := range sent {
			missing[fmt.Sprint(i)] = true
		}
		for range sent { // in any order, as datagrams come
			data, _ := read(t, a)
			delete(missing, data)
		}
		if len(missing) > 0 {
			t.Errorf("never arrived: %v", missing)
		}
		if s := far.Status(); s.Sessions != 0 {
			t.Errorf("the far relay: got %d sessions", s.Sessions)
		}
	})
}

// Nobody has to be inside ReadFrom for a session to come about.
func TestSessionsNeedNoReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memNet{}
		m.relay(t, "relay")
		a, b := conn(t, m.leaf("a", "relay"), 7), conn(t, m.leaf("b", "relay"), 0)
		for range 10 {
			write(t, b, "to a", a.LocalAddr())
			write(t, a, "to b", b.LocalAddr())
		}
		time.Sleep(5 * time.Second)
		if s, u := a.Node().Status(), b.Node().Status(); s.Delivered == 0 || s.Sessions != 1 || u.Sessions != 1 {
			t.Fatalf("nobody reads: got %d and %d sessions, %d frames delivered, want 1, 1 and some", s.Sessions, u.Sessions, s.Delivered)
		}
		for range 10 {
			expect(t, a, "to a")
			expect(t, b, "to b")
		}
	})
}

// Every datagram is either read or counted as dropped, with its reason.
func TestEachDatagramIsAccountedFor(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		set(t, a.SetReadBuffer(10_000))
		const sent = 500
		for range sent {
			write(t, b, strings.Repeat("x", 300), a.LocalAddr())
		}
		time.Sleep(time.Second)
		before := a.Stats()
		got := 0
		for ; ; got++ {
			set(t, a.SetReadDeadline(time.Now().Add(time.Second)))
			if _, _, err := a.ReadFrom(make([]byte, 100)); err != nil {
				isTimeout(t, "read", err)
				break
			}
		}
		s := a.Stats()
		if want := 10_000 / (300 + 36); got != want || s.Drops["port-full"] != uint64(sent-got) {
			t.Errorf("got %d of %d datagrams and drops %v, want %d and the rest as port-full", got, sent, s.Drops, want)
		}
		if n := s.Received - before.Received; n != uint64(got) || s.Truncated != uint64(got) || s.ReceivedBytes-before.ReceivedBytes != uint64(100*got) {
			t.Errorf("got %+v after %d datagrams of 100 bytes", s, got)
		}
		if all := a.Node().Status().Drops["port-full"]; all != s.Drops["port-full"] {
			t.Errorf("the node's status: got %d port-full, want the same", all)
		}
		if n := b.Stats().Sent; n != sent+1 || b.Stats().SentBytes != 300*sent+5 {
			t.Errorf("sender: got %+v", b.Stats())
		}
	})
}

// A reader that is slower than the sender for a moment costs nothing: who
// delivers waits for it.
func TestASlowReaderLosesNothing(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		set(t, a.SetReadBuffer(5_000))
		const sent = 100
		go func() {
			for range sent {
				b.WriteTo(make([]byte, 1000), a.LocalAddr())
			}
		}()
		for range sent {
			read(t, a)
			time.Sleep(5 * time.Millisecond)
		}
		if s := a.Stats(); len(s.Drops) != 0 {
			t.Errorf("got drops %v", s.Drops)
		}
	})
}

// The largest datagram crosses relays.
func TestLargestDatagramOverTwoRelays(t *testing.T) {
	if dgram.MTU < 1452 {
		t.Fatalf("MTU: got %d, want at least what QUIC sends", dgram.MTU)
	}
	synctest.Test(t, func(t *testing.T) {
		m := &memNet{}
		m.relay(t, "one")
		m.relay(t, "two", "one")
		a, b := conn(t, m.leaf("a", "one"), 7), conn(t, m.leaf("b", "two"), 0)
		greet(t, a, b)
		want := strings.Repeat("x", dgram.MTU)
		for range 20 {
			write(t, b, want, a.LocalAddr())
			expect(t, a, want)
		}
	})
}

// What was written leaves before a node of ListenConfig ends.
func TestCloseWritesWhatIsQueued(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		for i := range 50 {
			write(t, b, fmt.Sprint(i), a.LocalAddr())
		}
		set(t, b.Close())
		select {
		case <-b.Node().Done():
		default:
			t.Error("the node runs on")
		}
		for i := range 50 {
			expect(t, a, fmt.Sprint(i))
		}
	})
}

func TestListen(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		if _, err := dgram.Listen(a.Node(), 7); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a port in use: got %v", err)
		}
		if _, err := dgram.Listen(a.Node(), 0xFF00); err == nil {
			t.Error("a port of the mesh itself: got no error")
		}
		c, err := dgram.Listen(a.Node(), 0)
		if err != nil {
			t.Fatal(err)
		}
		write(t, b, "second port", c.LocalAddr())
		from := expect(t, c, "second port")
		if from != b.LocalAddr() { // comparable, as the key of a map
			t.Errorf("from: got %v, want %v", from, b.LocalAddr())
		}
		set(t, c.Close())
		write(t, b, "first port", a.LocalAddr()) // the node runs on
		expect(t, a, "first port")
		if c, err = dgram.Listen(a.Node(), c.LocalAddr().(dgram.Addr).Port); err != nil {
			t.Errorf("the same port again: %v", err)
		}
		done := reading(c)
		set(t, a.Node().Close())
		isClosed(t, "read of a closed node", ended(t, done).err)
		_, err = c.WriteTo(nil, b.LocalAddr())
		isClosed(t, "write of a closed node", err)
		_, err = dgram.Listen(a.Node(), 9)
		isClosed(t, "listen on a closed node", err)
	})
}

func TestListenConfigTellsMistakes(t *testing.T) {
	if _, err := dgram.ListenConfig(node.Config{Listen: "nonsense", Homes: 9}, 0); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v, want the mistakes of the config", err)
	}
	if _, err := dgram.ListenConfig(node.Config{}, 0xFF01); err == nil { // and its node has ended: see TestMain
		t.Error("got no error")
	}
}

func TestMisuse(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		for _, addr := range []dgram.Addr{{}, {Port: 7}} {
			if _, err := a.WriteTo(nil, addr); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("write to %v: got %v, want EINVAL", addr, err)
			}
		}
		for _, addr := range []net.Addr{nil, (*dgram.Addr)(nil), (*net.UDPAddr)(nil), &dgram.Addr{Port: 7}, strange{}, (*strange)(nil)} {
			if _, err := a.WriteTo(nil, addr); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "want a dgram.Addr") {
				t.Errorf("write to %T: got %v, want EINVAL with words that help", addr, err)
			}
		}
		if err := a.SetReadBuffer(-1); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("SetReadBuffer: got %v, want EINVAL", err)
		}
		set(t, a.SetReadBuffer(0)) // one datagram
		write(t, b, strings.Repeat("x", dgram.MTU), a.LocalAddr())
		time.Sleep(time.Second)
		write(t, b, "dropped", a.LocalAddr())
		time.Sleep(time.Second)
		expect(t, a, strings.Repeat("x", dgram.MTU))
		write(t, b, "next", a.LocalAddr())
		expect(t, a, "next")
	})
}

// strange is an address of another network.
type strange struct{}

func (strange) Network() string { return "strange" }
func (strange) String() string  { return "somewhere" }

// An address that a program holds by a pointer, as it would a *net.UDPAddr.
func TestWriteToAPointer(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		addr := b.LocalAddr().(dgram.Addr)
		write(t, a, "by pointer", &addr)
		expect(t, b, "by pointer")
	})
}

func TestListenWithoutANode(t *testing.T) {
	if c, err := dgram.Listen(nil, 1); c != nil || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v and %v, want EINVAL", c, err)
	}
}

// Datagrams that cannot be sent are no errors, but counted by reason.
func TestDropsOfWrites(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		nobody := dgram.Addr{ID: routing.ID{1, 2, 3}, Port: 1}
		for range 40 {
			write(t, b, "x", nobody)
		}
		self := b.LocalAddr().(dgram.Addr)
		self.Port++
		write(t, b, "x", self)
		if d := b.Stats().Drops; d["session-limit"] != 40-32 || d["no-handler"] != 1 {
			t.Errorf("got %v, want 32 that wait, 8 session-limit and 1 no-handler", d)
		}
	})
}

// Other ways of sending to a port that is read.
func TestMessagesToAPacketConn(t *testing.T) {
	overMem(t, func(t *testing.T, a, b *dgram.PacketConn) {
		to := a.LocalAddr().(dgram.Addr)
		p, err := b.Node().OpenPort(9, node.HandlerFunc(func(context.Context, *node.Message) {}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Send(ctx, to, []byte("acknowledged")); err != nil {
			t.Error(err)
		}
		if from := expect(t, a, "acknowledged"); from != p.Addr() {
			t.Errorf("from: got %v, want %v", from, p.Addr())
		}
		if _, err := p.Request(ctx, to, []byte("question")); !errors.Is(err, node.ErrNoHandler) {
			t.Errorf("request: got %v, want ErrNoHandler", err)
		}
	})
}

// What goes wrong below is not hidden: the node says why there is no link.
func TestTheNodeSaysWhyNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memNet{}
		c, err := dgram.ListenConfig(m.leaf("a", "nowhere"), 7)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		write(t, c, "x", dgram.Addr{ID: routing.ID{1}, Port: 7}) // no error: it waits
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var why *node.JoinError
		if err := c.Node().Ready(ctx); !errors.As(err, &why) || why.URL != "mem://nowhere" {
			t.Errorf("got %v, want a JoinError", err)
		}
		if drops := c.Node().Status().Drops; drops["expired"] != 1 {
			t.Errorf("the datagram waited in vain: got drops %v, want one expired", drops)
		}
	})
}

// A peer that does not read does not keep Close for long, nor make it fail.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStalled(t)
		begin := time.Now()
		if err := s.Close(); err != nil || time.Since(begin) > 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
	})
}
