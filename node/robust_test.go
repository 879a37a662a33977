package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// a request whose handler ran but never replied.
func TestUnansweredRequestIsNotUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, c := relayed(t, &mesh{t: t}, Config{})
		box := newInbox()
		c.Handle(box) // takes it, never replies
		_, err := a.Request(within(t, 2*time.Second), c.ID(), []byte("pay 100"))
		var se *SendError
		if !errors.As(err, &se) {
			t.Fatalf("got %v", err)
		}
		if box.len() == 1 && se.Outcome == Undelivered {
			t.Errorf("the handler ran, the error says %q: %v", se.Outcome, err)
		}
	})
}

// links that become busy one after the other put the tick off.
func TestTicksAreNotPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		const links = 60
		var ran sync.WaitGroup
		first := make(chan time.Duration, 1)
		var begin time.Time
		var ws []*walker
		for i := range links {
			near, far := mem.Pipe()
			w := n.newLink(near, &link.Remote{ID: wire.ID{1, byte(i)}, Contact: wire.Contact{Role: wire.RoleRelay}}, source{dial: 1})
			if !n.live.add(w, near) {
				t.Fatal("ended")
			}
			ws = append(ws, w)
			ran.Go(func() { w.link.Run(w); n.live.remove(w) })
			ran.Go(func() {
				for {
					if _, err := far.Receive(func() []byte { return make([]byte, limits.MaxRecord+1) }); err != nil {
						return
					}
					if i == 0 {
						select {
						case first <- time.Since(begin):
						default:
						}
					}
				}
			})
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		begin = time.Now()
		for _, w := range ws {
			w.link.Took(1, 1) // one small class 2 frame arrived
			time.Sleep(20 * time.Millisecond)
		}
		select {
		case d := <-first:
			if d > 150*time.Millisecond {
				t.Errorf("the first link's ack left after %v; the peer calls the link suspect after %v, AckDelay is %v", d, limits.LinkRTOMin, limits.AckDelay)
			}
		case <-time.After(10 * time.Second):
			t.Error("never acked")
		}
		n.live.closeAll(reason.Closed)
		ran.Wait()
	})
}

// stuck is a pipe whose Flush waits for Close once told to.
type stuck struct {
	transport.Conn
	on     chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (c *stuck) Flush() error {
	select {
	case <-c.on:
		<-c.closed
		return transport.ErrClosed
	default:
		return c.Conn.Flush()
	}
}

func (c *stuck) TryFlush() (bool, error) {
	select {
	case <-c.on:
		return false, nil
	default:
		return c.Conn.TryFlush()
	}
}

func (c *stuck) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type stuckDialer struct {
	transport.Dialer
	on chan struct{}
}

func (d *stuckDialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	c, err := d.Dialer.Dial(ctx, u)
	if err != nil {
		return nil, err
	}
	return &stuck{Conn: c, on: d.on, closed: make(chan struct{})}, nil
}

// a link that comes up while the node leaves keeps Shutdown waiting for ever.
func TestShutdownEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		m.listen("p", Config{})
		on := make(chan struct{})
		a, err := New(Config{Bootstrap: []string{"slow://p"}, Dialers: map[string]transport.Dialer{"slow": &slowScheme{&stuckDialer{m.net.Dialer("a"), on}}}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		ready(t, a)
		close(on) // p does not read any more: its Bye takes limits.ByeFlush
		m.open("a", a)
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- a.Shutdown(ctx) }()
		time.Sleep(100 * time.Millisecond)
		m.start("q", Config{Bootstrap: []string{"mem://a"}})
		err = <-done
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("Shutdown returned %v after %v; with a context that never ends it never would", err, d)
		}
	})
}

// slowScheme dials slow://x as mem://x.
type slowScheme struct{ transport.Dialer }

func (d *slowScheme) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	v := *u
	v.Scheme = "mem"
	return d.Dialer.Dial(ctx, &v)
}

// pings of a peer that takes no answers.
func TestPingRepliesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		before := runtime.NumGoroutine()
		const pings = 20_000 // some 2 MB on the wire
		for i := range pings {
			d := session.Delivery{From: wire.ID{7}, DstPort: pingPort, Kind: wire.PlainRequest, MessageID: uint64(i)}
			for n.deliver(&d) != reason.None {
				time.Sleep(time.Millisecond)
			}
		}
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got > 1000 {
			t.Errorf("goroutines after %d pings of one peer: got %d more", pings, got)
		}
	})
}

// Handle in the place of another handler.
func TestHandleKeepsWhatWasAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, c := relayed(t, &mesh{t: t}, Config{})
		release, box := make(chan struct{}), newInbox()
		c.Handle(HandlerFunc(func(ctx context.Context, m *Message) { <-release; box.HandleMessage(ctx, m) }))
		for i := range 5 {
			if err := a.Send(within(t, time.Second), c.ID(), []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		c.Handle(box)
		close(release)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := box.len(); got != 5 {
			t.Errorf("of 5 messages whose Send returned nil the handlers got %d; drops %v", got, c.Status().Drops)
		}
	})
}

// two readers wait for room in one port.
func TestRoomInAPortWakesAllReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		next := make(chan struct{})
		p, err := n.OpenPort(9, HandlerFunc(func(context.Context, *Message) { <-next }))
		if err != nil {
			t.Fatal(err)
		}
		put := func() reason.Reason {
			return n.deliver(&session.Delivery{From: wire.ID{7}, DstPort: 9, Kind: wire.PlainDatagram, Data: make([]byte, 60_000)})
		}
		put()
		synctest.Wait() // the handler holds the first
		for range 4 {
			put()
		}
		var results [2]reason.Reason
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = put() })
		}
		synctest.Wait()    // both wait: the queue is full
		next <- struct{}{} // the queue is taken: all of it is free now
		synctest.Wait()
		begin := time.Now()
		wg.Wait()
		if results != [2]reason.Reason{} || time.Since(begin) > 0 {
			p.mu.Lock()
			free := limits.PortQueue - len(p.fill)
			p.mu.Unlock()
			t.Errorf("two readers waited for room: got %v after %v, with %d bytes free", results, time.Since(begin), free)
		}
		close(next)
	})
}

// the second Join of a URL that has failed for good once.
func TestJoinTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		wrong := m.listen("b", Config{})
		dir := t.TempDir()
		right := m.start("right", Config{StateDir: dir})
		a := m.start("a", Config{})
		url := fmt.Sprintf("mem://b#%s", right.ID())
		if err := a.Join(within(t, 5*time.Second), url); !errors.Is(err, ErrRefused) {
			t.Fatalf("got %v, want refused", err)
		}
		wrong.stop()
		m.open("b", right) // the right node runs there now
		if err := a.Join(within(t, 30*time.Second), url); err != nil {
			t.Errorf("the second Join: %v", err)
		}
		time.Sleep(10 * time.Second)
		t.Logf("linked ten seconds later: %v", linkedTo(a, right.ID()))
	})
}

// thin is a pipe of so many bytes a second.
type thin struct {
	transport.Conn
	rate, held int
}

func (c *thin) Send(b []byte) error { c.held += len(b); return c.Conn.Send(b) }
func (c *thin) Flush() error {
	time.Sleep(time.Duration(c.held) * time.Second / time.Duration(c.rate))
	c.held = 0
	return c.Conn.Flush()
}
func (c *thin) TryFlush() (bool, error) { return false, nil }

type thinDialer struct {
	transport.Dialer
	rate int
}

func (d *thinDialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	v := *u
	v.Scheme = "mem"
	c, err := d.Dialer.Dial(ctx, &v)
	if err != nil {
		return nil, err
	}
	return &thin{Conn: c, rate: d.rate}, nil
}

// a slow uplink under load is no broken one.
func TestSlowUplinkIsNotSuspect(t *testing.T) {
	for _, rate := range []int{125_000, 250_000, 500_000, 1_250_000} { // 1, 2, 4, 10 Mbit/s
		t.Run(fmt.Sprint(rate*8/1000, " kbit"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mesh{t: t}
				b := m.listen("b", Config{})
				b.Handle(newInbox())
				a, err := New(Config{Leaf: true, Bootstrap: []string{"thin://b"}, Dialers: map[string]transport.Dialer{"thin": &thinDialer{m.net.Dialer("a"), rate}}})
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				ready(t, a)
				if err := a.Send(within(t, 5*time.Second), b.ID(), nil); err != nil {
					t.Fatal(err)
				}
				notConnected, suspect, full, ok := 0, 0, 0, 0
				var wg sync.WaitGroup
				for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
					switch err := a.SendDatagram(b.ID(), make([]byte, 1200)); {
					case err == nil:
						ok++
					case errors.Is(err, ErrQueueFull):
						full++
						time.Sleep(10 * time.Millisecond)
					case errors.Is(err, ErrNotConnected):
						notConnected++
						time.Sleep(10 * time.Millisecond)
					}
					for _, p := range a.Peers() {
						if p.Suspect {
							suspect++
						}
					}
					if ok%50 == 1 {
						wg.Go(func() { a.Send(within(t, 30*time.Second), b.ID(), []byte("x")) })
					}
				}
				wg.Wait()
				if notConnected > 0 {
					t.Errorf("the one link is up and busy: %d datagrams queued, %d times full, %d times %v (suspect seen %d times)", ok, full, notConnected, ErrNotConnected, suspect)
				}
			})
		})
	}
}

// the whole way: a bootstrap peer that the user disconnects.
// That the clock is wrong is an event, and a warning with a hint.
func TestWrongClockIsTold(t *testing.T) {
	log := &lines{}
	n, err := New(Config{Leaf: true, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	events := watch(t, n)
	n.tell(engine.Notice{Kind: engine.NoticeClockDoubted, Peer: routing.ID{7}, Reason: reason.Expired})
	if ev := awaitEvent(t, events, ClockDoubted, nil); ev.Peer != (routing.ID{7}) || ev.Reason != "expired" {
		t.Errorf("got %+v, want the holder and its reason", ev)
	}
	if got := log.count("this machine's clock is wrong"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
}

// Who reads events first gets those from before, the newest of them; who comes
// later does not.
func TestEventsBeforeTheFirstReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		_, b, _ := relayed(t, m, Config{})
		synctest.Wait()
		for range limits.EventsEarly {
			b.events.send(Event{Kind: Dropped})
		}
		b.events.send(Event{Kind: PeerUp, Count: 7})
		first, second := watch(t, b.Node), watch(t, b.Node)
		synctest.Wait()
		if len(first) != limits.EventsEarly || len(second) != 0 {
			t.Fatalf("got %d and %d events, want %d and none", len(first), len(second), limits.EventsEarly)
		}
		var last Event
		for len(first) > 0 {
			last = <-first
		}
		if last.Count != 7 {
			t.Errorf("got %+v last, want the newest", last)
		}
	})
}

func TestDisconnectEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		a := m.start("a", Config{Bootstrap: []string{"mem://b"}})
		ready(t, a)
		events, begin := watch(t, b.Node), time.Now()
		a.Disconnect(b.ID())
		time.Sleep(time.Minute)
		synctest.Wait()
		ups := 0
		for len(events) > 0 {
			if ev := <-events; ev.Kind == PeerUp && ev.Time.After(begin) {
				ups++
			}
		}
		if ups > 0 {
			t.Errorf("the disconnected peer saw %d new links of this node within a minute", ups)
		}
	})
}

// a link that is refused is read all the same until its Bye is written.
func TestRefusedLinkForwardsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		_, b, far := relayed(t, m, Config{MaxPeers: 2})
		synctest.Wait()
		before := b.Status().Forwarded
		const tries = 50
		for range tries {
			x := m.attack("b", wire.RoleRelay)
			var frames [][]byte
			for range 100 {
				frames = append(frames, x.frame(wire.TypeData, wire.ID(far.ID()), make([]byte, 60)))
			}
			x.send(frames...)
			synctest.Wait()
			x.conn.Close()
		}
		if got := b.Status().Forwarded - before; got > 0 || len(b.Peers()) != 2 {
			t.Errorf("%d links refused as link-limit had %d of %d frames forwarded", tries, got, tries*100)
		}
	})
}

// events about strangers that were refused.
func TestRefusalEventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		_, b, _ := relayed(t, m, Config{MaxPeers: 2})
		events := watch(t, b.Node)
		for range 100 {
			x := m.attack("b", wire.RoleRelay)
			synctest.Wait()
			x.conn.Close()
		}
		synctest.Wait()
		refused := 0
		for len(events) > 0 {
			if ev := <-events; ev.Kind == Refused {
				refused++
			}
		}
		if refused > 1 {
			t.Errorf("events about 100 refused strangers in one moment: got %d, want one", refused)
		}
	})
}

// the other end of the storm: a relay that is full.
func TestLinkLimitEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{MaxPeers: 1})
		ready(t, m.start("first", Config{Bootstrap: []string{"mem://b"}}))
		a := m.start("second", Config{Bootstrap: []string{"mem://b"}})
		events := watch(t, a)
		time.Sleep(time.Minute)
		synctest.Wait()
		kinds := map[EventKind]int{}
		for len(events) > 0 {
			kinds[(<-events).Kind]++
		}
		if kinds[PeerUp] > 60 {
			t.Errorf("a minute at a full relay: events %v, handshakes refused there %d", kinds, b.Status().Drops["link-limit"])
		}
	})
}
