package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

func TestMessageCrossesARelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := relayed(t, &mesh{t: t}, Config{})
		box := newInbox()
		c.Handle(box)
		if err := a.Send(within(t, time.Second), c.ID(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if l := a.Status().SessionList; len(l) == 0 || l[0].ID != c.ID() || l[0].State != "up" || l[0].Linked || !l[0].Initiator {
			t.Errorf("sessions: got %+v, want one that is up, with a node that there is no link with", l)
		}
		got := box.wait(t, 1)[0]
		if string(got.Data) != "hello" || got.From.ID != a.ID() || got.Hops != 2 || got.Datagram {
			t.Errorf("got %+v", got)
		}
		if b.Status().Forwarded == 0 {
			t.Error("the relay forwarded nothing")
		}
		if linkedTo(a, c.ID()) {
			t.Error("the ends are linked to each other")
		}
	})
}

func TestMessageCrossesRealSockets(t *testing.T) {
	b, err := New(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	mk := func() *Node {
		n, err := New(Config{Bootstrap: b.URLs(), Leaf: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	a, c := mk(), mk()
	box := newInbox()
	c.Handle(box)
	ready(t, a, c)
	if err := a.Send(within(t, 5*time.Second), c.ID(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := box.wait(t, 1)[0]; string(got.Data) != "hello" {
		t.Errorf("got %q", got.Data)
	}
	r, err := a.Ping(within(t, 5*time.Second), c.ID())
	if err != nil || r.Hops != 2 || r.Via != b.ID() || r.Direct {
		t.Errorf("ping: got %+v, %v; want 2 hops via %s", r, err, b.ID().Short())
	}
}

func TestRequestIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, c := relayed(t, &mesh{t: t}, Config{Leaf: false})
		c.Handle(HandlerFunc(func(ctx context.Context, m *Message) {
			if !m.WantsReply() {
				t.Error("the message is no request")
			}
			go m.Reply(ctx, append([]byte("re: "), m.Data...))
		}))
		got, err := a.Request(within(t, time.Second), c.ID(), []byte("question"))
		if err != nil || string(got) != "re: question" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestDatagramsCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, c := relayed(t, &mesh{t: t}, Config{})
		box := newInbox()
		port, err := c.OpenPort(7, box)
		if err != nil {
			t.Fatal(err)
		}
		from, err := a.OpenPort(0, newInbox())
		if err != nil {
			t.Fatal(err)
		}
		for size := 0; size <= limits.MaxMessage; size += 4000 {
			if err := from.SendDatagramWithin(port.Addr(), bytes.Repeat([]byte{byte(size)}, size), time.Second); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			synctest.Wait()
		}
		got := box.wait(t, limits.MaxMessage/4000+1)
		for i, m := range got {
			if len(m.Data) != 4000*i || m.From != from.Addr() || !m.Datagram {
				t.Errorf("datagram %d: got %d bytes from %v", i, len(m.Data), m.From)
			}
		}
	})
}

func TestEachErrorIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, c := relayed(t, &mesh{t: t}, Config{})
		ctx := within(t, 3*time.Second)
		nobody := routing.ID{1, 2, 3}
		big := make([]byte, limits.MaxMessage+1)
		for _, x := range []struct {
			name    string
			err     error
			is      []error
			outcome Outcome
		}{
			{"no handler", a.Send(ctx, c.ID(), []byte("x")), []error{ErrNoHandler, ErrRefused, syscall.ECONNREFUSED}, Undelivered},
			{"no handler of a port", func() error { _, err := a.Request(ctx, c.ID(), nil); return err }(), []error{ErrNoHandler}, Undelivered},
			{"too large", a.Send(ctx, c.ID(), big), []error{ErrTooLarge, syscall.EMSGSIZE}, 0},
			{"datagram too large", a.SendDatagram(c.ID(), big), []error{ErrTooLarge}, 0},
			{"to itself", a.Send(ctx, a.ID(), nil), []error{ErrRefused, reason.OwnID}, Undelivered},
			{"nobody has the ID", a.Send(within(t, 3*time.Second), nobody, nil), []error{ErrNoRoute}, Undelivered},
		} {
			for _, want := range x.is {
				if !errors.Is(x.err, want) {
					t.Errorf("%s: got %v, want one that is %v", x.name, x.err, want)
				}
			}
			var se *SendError
			if errors.As(x.err, &se); x.outcome != 0 && (se == nil || se.Outcome != x.outcome) {
				t.Errorf("%s: got %#v, want outcome %v", x.name, x.err, x.outcome)
			}
		}
	})
}

func TestClosedNodeSaysSo(t *testing.T) {
	n, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	_, open := n.OpenPort(5, newInbox())
	for name, err := range map[string]error{
		"send":     n.Send(t.Context(), routing.ID{1}, nil),
		"datagram": n.SendDatagram(routing.ID{1}, nil),
		"join":     n.Join(t.Context(), "ws://127.0.0.1:1"),
		"open":     open,
	} {
		if !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: got %v, want %v", name, err, ErrClosed)
		}
	}
}

func TestAllConfigMistakesAtOnce(t *testing.T) {
	_, err := New(Config{
		Listen: "nonsense", MaxPeers: -1, NetworkKey: []byte("short"), TLSCert: "only-one",
		Bootstrap: []string{"http//x", "ws://", "ftp://a", "ws://a:99999", "ws://a#xyz"}, PublicURLs: []string{"gopher://x"},
	})
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"Listen", "MaxPeers", "NetworkKey", "TLSCert", `"gopher://x"`, "http//x", "join ws://:", "ftp://a", "99999", "pinned ID"} {
		if !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("the error does not mention %s:\n%v", want, err)
		}
	}
}

func TestHomesAreInRange(t *testing.T) {
	for homes, good := range map[int]bool{-1: false, 0: true, 1: true, limits.Homes: true, limits.Homes + 1: false} {
		n, err := New(Config{Leaf: true, Homes: homes})
		if (err == nil) != good || !good && !strings.Contains(err.Error(), "Homes is") {
			t.Errorf("Homes %d: got %v, want it taken: %v", homes, err, good)
		}
		if n != nil {
			n.Close()
		}
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := New(Config{Listen: l.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, want %v", err, syscall.EADDRINUSE)
	}
}

func TestDeadBootstrapIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		n := m.start("a", Config{Bootstrap: []string{"mem://nobody", "mem://noone"}})
		err := n.Ready(within(t, 10*time.Second))
		if !errors.Is(err, ErrTimeout) || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
		var j *JoinError
		if !errors.As(err, &j) || j.Stage != "connect" {
			t.Errorf("got %v, want a JoinError at stage connect", err)
		}
		for _, b := range n.Status().Bootstraps {
			if b.Attempts < 5 || b.LastError == "" {
				t.Errorf("in 10 s: got %+v, want a try each 2 s or sooner", b)
			}
		}
	})
}

func TestRelayRestartHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, b, c := relayed(t, m, Config{})
		box := newInbox()
		c.Handle(box)
		if err := a.Send(within(t, time.Second), c.ID(), []byte("1")); err != nil {
			t.Fatal(err)
		}
		b.stop()
		err := a.Send(within(t, 3*time.Second), c.ID(), []byte("2"))
		var se *SendError
		if !errors.As(err, &se) || !se.Timeout() || !errors.Is(err, ErrNotConnected) {
			t.Errorf("without a relay: got %v, want a timeout that names the missing link", err)
		}
		m.listen("b", Config{})
		begin := time.Now()
		if err := a.Send(within(t, 5*time.Second), c.ID(), []byte("3")); err != nil {
			t.Fatalf("after the restart: %v", err)
		}
		t.Logf("healed after %v", time.Since(begin))
		for _, got := range box.wait(t, 2)[1:] {
			if s := string(got.Data); s != "3" && s != "2" {
				t.Errorf("got %q", s)
			}
		}
	})
}

func TestBootstrapPausesGrowBesideLiveLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		m.listen("b", Config{})
		n := m.start("a", Config{Bootstrap: []string{"mem://b", "mem://nobody"}})
		ready(t, n)
		time.Sleep(5 * time.Minute)
		for _, b := range n.Status().Bootstraps {
			if !b.Linked && (b.Attempts < 8 || b.Attempts > 35) {
				t.Errorf("tries in 5 minutes: got %d, want about one each 15 to 30 s", b.Attempts)
			}
		}
	})
}

func TestPinnedIDMustAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		n := m.start("a", Config{})
		wrong := routing.ID{1}
		err := n.Join(within(t, 5*time.Second), "mem://b#"+wrong.String())
		if !errors.Is(err, reason.WrongID) {
			t.Errorf("wrong pin: got %v, want %v", err, reason.WrongID)
		}
		if got := n.Status().Drops["wrong-id"]; got == 0 {
			t.Error("the drop is not counted")
		}
		if err := n.Join(within(t, 5*time.Second), "mem://b#"+b.ID().String()); err != nil {
			t.Errorf("right pin: %v", err)
		}
	})
}

func TestOwnURLIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		begin := time.Now()
		err := b.Join(within(t, 5*time.Second), "mem://b")
		if !errors.Is(err, reason.OwnID) || !errors.Is(err, ErrRefused) || time.Since(begin) > time.Second {
			t.Errorf("got %v after %v, want %v at once", err, time.Since(begin), reason.OwnID)
		}
	})
}

func TestNetworkKeyClosesTheMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		key := bytes.Repeat([]byte{1}, 32)
		b := m.listen("b", Config{NetworkKey: key})
		out := m.start("out", Config{Bootstrap: []string{"mem://b"}})
		if err := out.Ready(within(t, 5*time.Second)); !errors.Is(err, ErrTimeout) {
			t.Errorf("without the key: got %v, want a timeout", err)
		}
		if got := b.Status().Drops["wrong-network"]; got == 0 {
			t.Errorf("drops at the relay: got %v, want wrong-network", b.Status().Drops)
		}
		a := m.start("a", Config{NetworkKey: key, Bootstrap: []string{"mem://b"}})
		c := m.start("c", Config{NetworkKey: key, Bootstrap: []string{"mem://b"}})
		ready(t, a, c)
		c.Handle(newInbox())
		if err := a.Send(within(t, time.Second), c.ID(), nil); err != nil {
			t.Errorf("with the key: %v", err)
		}
	})
}

func TestLoadID(t *testing.T) {
	dir := t.TempDir()
	before, err := LoadID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := relayOn(t, Config{StateDir: dir}); n.ID() != before {
		t.Errorf("got %v, want %v, which the node has", before, n.ID())
	}
	if again, err := LoadID(dir); again != before || err != nil {
		t.Errorf("beside the node: got %v, %v, want %v", again, err, before)
	}
	if fresh, err := LoadID(""); fresh == before || err != nil {
		t.Errorf("of no directory: got %v, %v, want one of its own", fresh, err)
	}
	if _, err := LoadID("/dev/null/x"); err == nil {
		t.Error("got no error of a directory that cannot be")
	}
}

func TestSecondProcessWithTheSameKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		m.listen("b", Config{})
		dir := t.TempDir()
		cfg := Config{StateDir: dir, Bootstrap: []string{"mem://b"}}
		first := m.start("a1", cfg)
		events := watch(t, first)
		ready(t, first)
		if _, err := New(Config{StateDir: dir}); !errors.As(err, new(*StateInUseError)) {
			t.Errorf("a second node on one state: got %v, want that it is in use", err)
		}
		cfg.StateDir = t.TempDir()
		if err := copyFile(filepath.Join(cfg.StateDir, "identity.key"), filepath.Join(dir, "identity.key")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // what the second signs is newer than all that the first knew of at its start
		second := m.start("a2", cfg)
		ready(t, second)
		if first.ID() != second.ID() {
			t.Fatal("the key file gives two IDs")
		}
		awaitEvent(t, events, IdentityInUse, nil)
		time.Sleep(30 * time.Second)
		if len(first.Peers()) != 0 || len(second.Peers()) != 1 {
			t.Errorf("links: got %d and %d, want the newer process alone", len(first.Peers()), len(second.Peers()))
		}
		if at := first.Status().IdentityInUseAt; time.Since(at) > time.Minute || !second.Status().IdentityInUseAt.IsZero() {
			t.Errorf("status of the first: got %v, want that a peer told it so; the second: %v", at, second.Status().IdentityInUseAt)
		}
	})
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// A state is free again when its node has ended, and when one did not start.
func TestTheStateIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	taken := startPage(t, Config{Listen: "127.0.0.1:0"}).listener.Addr().String()
	for range 2 {
		if _, err := New(Config{StateDir: dir, Listen: taken}); err == nil || errors.As(err, new(*StateInUseError)) {
			t.Errorf("on a port that is taken: got %v, want an error about that", err)
		}
		n, err := New(Config{StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		n.Close()
	}
}

func TestDisconnectKeepsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		a := m.start("a", Config{Bootstrap: []string{"mem://b"}})
		ready(t, a)
		if err := b.Disconnect(a.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(limits.DisconnectHold - time.Minute)
		if len(b.Peers()) != 0 {
			t.Error("the peer is back too early")
		}
		time.Sleep(3 * time.Minute)
		if len(b.Peers()) != 1 {
			t.Error("the peer did not come back")
		}
	})
}

func TestLinkLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{MaxPeers: 2, MaxLeaves: 1})
		for i := range 4 {
			m.start(fmt.Sprint("relay", i), Config{Bootstrap: []string{"mem://b"}})
			m.start(fmt.Sprint("leaf", i), Config{Bootstrap: []string{"mem://b"}, Leaf: true})
		}
		time.Sleep(20 * time.Second)
		leaves := 0
		for _, p := range b.Peers() {
			if p.Leaf {
				leaves++
			}
		}
		if got := len(b.Peers()); got != 3 || leaves != 1 {
			t.Errorf("links: got %d, %d of them leaves; want 3 and 1", got, leaves)
		}
		if b.Status().Drops["link-limit"] == 0 {
			t.Error("the refusals are not counted")
		}
	})
}

func TestShutdownIsPolite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := relayed(t, &mesh{t: t}, Config{})
		events := watch(t, b.Node)
		begin := time.Now()
		if err := a.Shutdown(within(t, 2*time.Second)); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if d := time.Since(begin); d > time.Second {
			t.Errorf("shutdown took %v", d)
		}
		ev := awaitEvent(t, events, PeerDown, nil)
		if ev.Peer != a.ID() || ev.Reason != reason.Leaving.String() {
			t.Errorf("got %+v, want %s leaving", ev, a.ID().Short())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFullPortHoldsBackAndLosesNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, c := relayed(t, &mesh{t: t}, Config{})
		release := make(chan struct{})
		box := newInbox()
		c.Handle(HandlerFunc(func(ctx context.Context, m *Message) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			box.HandleMessage(ctx, m)
		}))
		const count = 40
		data := make([]byte, 20_000)
		var wg sync.WaitGroup
		for range count {
			wg.Go(func() {
				if err := a.Send(within(t, time.Minute), c.ID(), data); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(5 * time.Second)
		if c.Status().Drops["port-full"] == 0 {
			t.Errorf("drops at the receiver: got %v, want port-full", c.Status().Drops)
		}
		close(release)
		wg.Wait()
		if got := len(box.wait(t, count)); got != count {
			t.Errorf("messages: got %d, want %d", got, count)
		}
	})
}

func TestFullQueueIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, _, c := relayed(t, m, Config{})
		c.Handle(newInbox())
		if err := a.Send(within(t, time.Second), c.ID(), nil); err != nil { // a session
			t.Fatal(err)
		}
		var err error
		for i := 0; i < 100_000 && err == nil; i++ {
			err = a.SendDatagram(c.ID(), make([]byte, 1000))
		}
		if !errors.Is(err, ErrQueueFull) || !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("got %v, want %v", err, ErrQueueFull)
		}
		if a.Status().Drops["queue-full"] == 0 {
			t.Error("the drop is not counted")
		}
	})
}

func TestJoinByTwoURLsOfOnePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		m.open("b2", b.Node)
		a := m.start("a", Config{Bootstrap: []string{"mem://b", "mem://b2"}})
		ready(t, a)
		time.Sleep(time.Minute)
		if len(a.Peers()) != 1 || len(b.Peers()) != 1 {
			t.Errorf("links: got %d and %d, want one", len(a.Peers()), len(b.Peers()))
		}
		for _, boot := range a.Status().Bootstraps {
			if !boot.Linked {
				t.Errorf("got %+v, want linked", boot)
			}
		}
	})
}

func TestTwoNodesDialEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		x := m.listen("x", Config{Bootstrap: []string{"mem://y"}})
		y := m.listen("y", Config{Bootstrap: []string{"mem://x"}})
		ready(t, x.Node, y.Node)
		time.Sleep(time.Minute)
		if len(x.Peers()) != 1 || len(y.Peers()) != 1 {
			t.Errorf("links: got %d and %d, want one", len(x.Peers()), len(y.Peers()))
		}
		y.Handle(newInbox())
		if err := x.Send(within(t, time.Second), y.ID(), nil); err != nil {
			t.Error(err)
		}
	})
}
