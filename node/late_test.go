package node

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
)

// late is a link of a node whose computer is busy with something else for a while.
type late struct {
	w     *walker
	until *atomic.Pointer[time.Time]
}

// HandleBatch implements [link.Handler].
func (x late) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	if at := x.until.Load(); at != nil {
		time.Sleep(time.Until(*at)) // in virtual time
	}
	return x.w.HandleBatch(l, batch)
}

// A node that answers late for a moment, so that its link is suspect, gets what
// is sent to it meanwhile: each datagram, of which no second copy leaves, and
// each message. Nothing is sent to it twice, for there is no other way to it.
func TestLateNodeIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Pointer[time.Time]
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		a, c := m.start("a", Config{Bootstrap: []string{"mem://b"}}), m.start("c", Config{})
		c.between = func(w *walker) link.Handler { return late{w, &busy} }
		ready(t, a)
		if err := c.Join(within(t, 5*time.Second), "mem://b"); err != nil {
			t.Fatal(err)
		}
		box := newInbox()
		c.Handle(box)
		if err := a.Send(within(t, time.Second), c.ID(), nil); err != nil { // a session
			t.Fatal(err)
		}
		until := time.Now().Add(16 * limits.LinkRTOMin)
		busy.Store(&until)
		sent := make(chan error, 1)
		go func() { sent <- a.Send(within(t, 30*time.Second), c.ID(), []byte("message")) }()
		time.Sleep(8 * limits.LinkRTOMin)
		if !peerInfo(t, b.Node, c.ID()).Suspect {
			t.Fatal("got a link in good standing, want it suspect")
		}
		if err := a.SendDatagram(c.ID(), []byte("datagram")); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Errorf("message: got %v", err)
		}
		synctest.Wait()
		if got := box.len() - 1; got != 2 {
			t.Errorf("got %d of the message and the datagram", got)
		}
		if drops := b.Status().Drops; drops[reason.NoRoute.String()] > 0 {
			t.Errorf("relay: got drops %v, want a route", drops)
		}
		if drops := c.Status().Drops; drops[reason.Replayed.String()] > 0 {
			t.Errorf("got drops %v, want each frame once", drops)
		}
	})
}
