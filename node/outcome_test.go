package node

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// behindRelay is a sender, a relay and a receiver that knows only the relay.
type behindRelay struct {
	m    *mesh
	a    *Node
	b    *listening
	c    *Node
	cfg  Config // of c
	deaf atomic.Bool
}

// deafened is a link whose node reads nothing for as long as it is told.
type deafened struct {
	w    *walker
	deaf *atomic.Bool
}

// HandleBatch implements [link.Handler].
func (x deafened) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	for x.deaf.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	return x.w.HandleBatch(l, batch)
}

func newBehindRelay(t *testing.T) *behindRelay {
	w := &behindRelay{m: &mesh{t: t}, cfg: Config{StateDir: t.TempDir()}}
	w.b = w.m.listen("b", Config{})
	w.a = w.m.start("a", Config{Bootstrap: []string{"mem://b"}})
	ready(t, w.a)
	w.again(t)
	return w
}

// again starts the receiver, with the ID that it had.
func (w *behindRelay) again(t *testing.T) {
	t.Helper()
	w.c = w.m.start("c", w.cfg)
	w.c.between = func(x *walker) link.Handler { return deafened{x, &w.deaf} }
	if err := w.c.Join(within(t, 5*time.Second), "mem://b"); err != nil {
		t.Fatal(err)
	}
	w.c.Handle(newInbox())
}

// talk makes a session.
func (w *behindRelay) talk(t *testing.T) {
	t.Helper()
	if err := w.a.Send(within(t, time.Second), w.c.ID(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestOutcomes is what a caller is told of a message that was not acknowledged.
func TestOutcomes(t *testing.T) {
	const patience = 3 * time.Second
	send := func(w *behindRelay, ctx context.Context) error { return w.a.Send(ctx, w.c.ID(), []byte("x")) }
	for name, tt := range map[string]struct {
		before func(t *testing.T, w *behindRelay)
		send   func(w *behindRelay, ctx context.Context) error
		during func(t *testing.T, w *behindRelay) // a second later
		is     []error
		not    error
		want   Outcome
		sent   bool // copies left
		reason reason.Reason
	}{
		"no link at all": {
			before: func(_ *testing.T, w *behindRelay) { w.b.stop(); synctest.Wait() },
			is:     []error{ErrTimeout, ErrNotConnected}, want: Undelivered, reason: reason.NoLink,
		},
		"an ID that nobody has": {
			send: func(w *behindRelay, ctx context.Context) error { return w.a.Send(ctx, routing.ID{1, 2, 3}, nil) },
			is:   []error{ErrNoRoute}, not: ErrTimeout, want: Undelivered, reason: reason.NoRoute,
		},
		"left, and nobody knows a way": {
			before: func(t *testing.T, w *behindRelay) { w.talk(t); w.b.Disconnect(w.c.ID()); synctest.Wait() },
			is:     []error{ErrTimeout, ErrNoRoute}, want: Unknown, sent: true, reason: reason.NoRoute,
		},
		"never left, for nobody knows a way": {
			before: func(t *testing.T, w *behindRelay) {
				w.talk(t)
				w.b.Disconnect(w.c.ID())
				synctest.Wait()
				_ = send(w, within(t, time.Second))
			},
			is: []error{ErrTimeout, ErrNoRoute}, want: Undelivered, reason: reason.NoRoute,
		},
		"left and unanswered": {
			before: func(t *testing.T, w *behindRelay) { w.talk(t); w.deaf.Store(true) },
			is:     []error{ErrTimeout}, want: Unknown, sent: true,
		},
		"taken, and not answered": {
			send: func(w *behindRelay, ctx context.Context) error { _, err := w.a.Request(ctx, w.c.ID(), nil); return err },
			is:   []error{ErrTimeout}, want: Delivered, sent: true,
		},
		"refused": {
			before: func(_ *testing.T, w *behindRelay) { w.c.Handle(nil) },
			is:     []error{ErrRefused, ErrNoHandler}, want: Undelivered, sent: true, reason: reason.NoHandler,
		},
		"the node restarted": {
			before: func(t *testing.T, w *behindRelay) { w.talk(t); w.deaf.Store(true) },
			during: func(t *testing.T, w *behindRelay) {
				time.AfterFunc(10*time.Millisecond, func() { w.deaf.Store(false) })
				w.c.Close()
				w.again(t)
			},
			is: []error{reason.PeerRestarted}, want: Unknown, sent: true, reason: reason.PeerRestarted,
		},
		"closed, and left": {
			before: func(t *testing.T, w *behindRelay) { w.talk(t); w.deaf.Store(true) },
			during: func(_ *testing.T, w *behindRelay) { w.a.Close() },
			is:     []error{ErrClosed}, want: Unknown, sent: true, reason: reason.Closed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBehindRelay(t)
				if tt.before != nil {
					tt.before(t, w)
				}
				if tt.send == nil {
					tt.send = send
				}
				done := make(chan error, 1)
				ctx := within(t, patience)
				go func() { done <- tt.send(w, ctx) }()
				if tt.during != nil {
					time.Sleep(time.Second)
					tt.during(t, w)
				}
				err := <-done
				var e *SendError
				if !errors.As(err, &e) {
					t.Fatalf("got %v, want a SendError", err)
				}
				for _, want := range tt.is {
					if !errors.Is(err, want) {
						t.Errorf("got %v, want one that is %v", err, want)
					}
				}
				if tt.not != nil && errors.Is(err, tt.not) {
					t.Errorf("got %v, want none that is %v", err, tt.not)
				}
				if e.Outcome != tt.want || e.Sent > 0 != tt.sent || tt.reason != reason.None && e.Reason != tt.reason.String() {
					t.Errorf("got %v, %d sent, for %q, want %v, sent %v, for %q", e.Outcome, e.Sent, e.Reason, tt.want, tt.sent, tt.reason)
				}
				w.deaf.Store(false)
			})
		})
	}
}

// A SendError about a missing way tells how many said so.
func TestNoRouteHasItsFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		m.listen("b", Config{})
		m.listen("d", Config{Bootstrap: []string{"mem://b"}})
		a := m.start("a", Config{Bootstrap: []string{"mem://b", "mem://d"}})
		ready(t, a)
		time.Sleep(time.Second)
		err := a.Send(within(t, time.Minute), routing.ID{1, 2, 3}, nil)
		var e *NoRouteError
		if !errors.As(err, &e) || e.Said != 2 || e.Tried != 2 {
			t.Errorf("got %v, want that 2 of 2 first hops said so", err)
		}
	})
}

// Who was there is waited for: a Send lasts until the node has found another place.
func TestSendWaitsUntilTheNodeIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBehindRelay(t)
		d := w.m.listen("d", Config{}) // nobody knows it yet
		w.talk(t)
		w.b.Disconnect(w.c.ID())
		synctest.Wait()
		done, times := make(chan error, 5), make(chan time.Duration, 5)
		begin := time.Now()
		for range cap(done) {
			go func() {
				done <- w.a.Send(within(t, 45*time.Second), w.c.ID(), []byte("x"))
				times <- time.Since(begin)
			}()
		}
		time.Sleep(20 * time.Second)
		if len(done) > 0 {
			t.Fatalf("got %v while the node was away, want it waited for", <-done)
		}
		if err := errors.Join(w.c.Join(within(t, 5*time.Second), "mem://d"), d.Join(within(t, 5*time.Second), "mem://b")); err != nil {
			t.Fatal(err)
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
			if took := <-times - 20*time.Second; took > limits.AwayPauseMax*5/4+time.Second {
				t.Errorf("got it %v after the node was back", took)
			}
		}
	})
}

// A link of the sender that comes up ends the pause at once.
func TestSendGoesOnWithALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBehindRelay(t)
		d := w.m.listen("d", Config{})
		w.talk(t)
		w.b.Disconnect(w.c.ID())
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- w.a.Send(within(t, 45*time.Second), w.c.ID(), []byte("x")) }()
		if err := w.c.Join(within(t, 5*time.Second), "mem://d"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if len(done) > 0 {
			t.Fatalf("got %v, want no way yet", <-done)
		}
		begin := time.Now()
		if err := w.a.Join(within(t, 5*time.Second), "mem://d"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || time.Since(begin) > time.Second {
			t.Errorf("got %v after %v, want it acknowledged at once", err, time.Since(begin))
		}
		_ = d
	})
}

// Connect waits for a link of this node, and for a node that does not answer.
func TestConnectLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a := m.start("a", Config{})
		c := m.listen("c", Config{PublicURLs: nil})
		done := make(chan error, 1)
		go func() { done <- a.Connect(within(t, time.Minute), c.ID()) }()
		time.Sleep(20 * time.Second)
		if len(done) > 0 {
			t.Fatalf("got %v without a link, want it waited for", <-done)
		}
		if err := a.Join(within(t, 5*time.Second), "mem://c"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("got %v, want a link", err)
		}
	})
}

// A node that does not answer in time is asked again; its answer ends a Connect.
func TestConnectAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBehindRelay(t)
		w.talk(t)
		w.deaf.Store(true)
		done := make(chan error, 1)
		go func() { done <- w.a.Connect(within(t, time.Minute), w.c.ID()) }()
		time.Sleep(2 * limits.SignalTimeout)
		if len(done) > 0 {
			t.Fatalf("got %v, want the node asked again", <-done)
		}
		w.deaf.Store(false)
		begin := time.Now()
		if err := <-done; !errors.Is(err, ErrRefused) || time.Since(begin) > limits.SignalTimeout {
			t.Errorf("got %v after %v, want what the node answers", err, time.Since(begin))
		}
	})
}

// While all places of the table have messages of this node, one more waits for a
// place.
func TestSendWaitsForAPlaceInTheTable(t *testing.T) {
	n, err := New(Config{WebRTC: WebRTCOff})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var all []*session.Pending
	for i := range limits.Sessions {
		p, err := n.sessions.Send(time.Now(), session.Message{To: wire.ID{1, byte(i), byte(i >> 8)}, Kind: wire.PlainMessage}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	to := routing.ID{2}
	err = n.Send(within(t, 5*limits.SessionTurn), to, nil)
	if !errors.Is(err, ErrTimeout) || errors.Is(err, ErrQueueFull) {
		t.Errorf("got %v, want it to wait for its time", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Send(ctx, to, nil) }()
	all[0].Cancel(time.Now(), context.Canceled)
	for _, there := n.sessions.Peer(wire.ID(to)); !there; _, there = n.sessions.Peer(wire.ID(to)) {
		if len(done) > 0 {
			t.Fatalf("got %v, want a place", <-done)
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
