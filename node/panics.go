package node

import (
	"log/slog"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
)

// A panic ends the part that it was in, and never the program (ADR 031): a port
// whose handler panicked, a link, a task; of the loop and the ticker, without which
// a node is none, the node itself, with an error from Err.

// note logs and counts a panic.
func (n *Node) note(p *guard.Panic) {
	n.panics.Add(1)
	log := n.log
	if n.cfg.Logger == nil {
		log = slog.Default() // it must not go without a word
	}
	p.Log(log)
}

// task runs f of the node on a goroutine that Close waits for.
func (n *Node) task(what string, f func()) {
	n.wg.Go(func() { guard.Do(what, f, n.note) })
}

// vital is task for what a node cannot do without.
func (n *Node) vital(what string, f func()) {
	n.wg.Go(func() { guard.Do(what, f, n.fail) })
}

// fail ends the node for a panic.
func (n *Node) fail(p *guard.Panic) {
	n.note(p)
	if n.failure.CompareAndSwap(nil, p) {
		go guard.Do("the end of the node", func() { n.Close() }, n.note)
	}
}

// Err is why the node ended by itself: a fault of this program, with the reason.
// Nil while it runs, and when it was told to end.
func (n *Node) Err() error {
	if p := n.failure.Load(); p != nil {
		return p
	}
	return nil
}

// closeSessions ends what waits for sessions. Where the node failed, a lock of
// theirs may never come free.
func (n *Node) closeSessions() {
	if n.failure.Load() == nil {
		n.sessions.Close(time.Now())
		return
	}
	done := make(chan struct{})
	go guard.Do("the end of the sessions", func() {
		defer close(done)
		n.sessions.Close(time.Now())
	}, n.note)
	select {
	case <-done:
	case <-time.After(limits.ByeFlush):
	}
}
