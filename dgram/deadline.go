package dgram

import (
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
)

// deadline is when one direction's calls end. Calls that wait keep the channel
// of wait and look again when it is closed: the deadline may have moved since.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer   // nil: none runs
	passed chan struct{} // closed when the deadline has passed
	armed  bool          // there is one
	closed bool          // for good
}

// newDeadline returns one that never passes.
func newDeadline() *deadline { return &deadline{passed: make(chan struct{})} }

// set moves the deadline; the zero time takes it away. false: closed.
func (d *deadline) set(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.move(t)
	return true
}

// move is set with mu held.
func (d *deadline) move(t time.Time) {
	if d.timer != nil {
		d.timer.Stop() // too late: its function finds that it is not d.timer any more
		d.timer = nil
	}
	d.armed = !t.IsZero()
	left := time.Until(t)
	if d.armed && left <= 0 {
		d.pass()
		return
	}
	if d.hasPassed() {
		d.passed = make(chan struct{})
	}
	if d.armed {
		d.start(left)
	}
}

// start runs the timer; it needs mu.
func (d *deadline) start(left time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(left, guard.Func("a deadline", func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer {
			d.timer = nil
			d.pass()
		}
	}, nil))
	d.timer = timer
}

// pass needs mu.
func (d *deadline) pass() {
	if !d.hasPassed() {
		close(d.passed)
	}
}

func (d *deadline) hasPassed() bool {
	select {
	case <-d.passed:
		return true
	default:
		return false
	}
}

// end wakes all who wait, for good; false: it was called before.
func (d *deadline) end() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.pass()
	return true
}

// state is a deadline as one call finds it.
type state struct {
	passed <-chan struct{}
	armed  bool // there is a deadline
	over   bool // it has passed
	closed bool
}

func (d *deadline) look() state {
	d.mu.Lock()
	defer d.mu.Unlock()
	return state{d.passed, d.armed, d.hasPassed(), d.closed}
}
