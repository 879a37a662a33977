package netwatch

import (
	"errors"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Machine is what a watcher looks at; tests have one of their own.
type Machine interface {
	// Look takes a picture. An error means that the machine does not tell: what was
	// known stands.
	Look() (Picture, error)

	// Wait returns true when something may have changed, false at the given time.
	// It ends with an error after Close.
	Wait(until time.Time) (hint bool, err error)

	// Hints says that Wait tells of what changes; else the watcher looks by itself.
	Hints() bool

	// Stood is for how long the machine has slept, in all, as far as its clocks
	// tell.
	Stood() time.Duration

	Close() error
}

// Watcher tells of changes. Close ends it.
type Watcher struct {
	machine Machine
	once    sync.Once
	known   Picture
	looked  bool          // there is a picture
	at      time.Time     // when the clocks were read last
	stood   time.Duration // Machine.Stood then
	lookAt  time.Time     // when a picture is due without a hint
}

// New returns a watcher of a machine; nil: of this one. What changes from now on is
// told by Run.
func New(m Machine) *Watcher {
	if m == nil {
		m = local()
	}
	w := &Watcher{machine: m}
	w.look()
	w.at, w.stood = time.Now(), m.Stood()
	w.lookAt = w.at.Add(w.every())
	return w
}

// Close ends Run.
func (w *Watcher) Close() error {
	err := error(nil)
	w.once.Do(func() { err = w.machine.Close() })
	return err
}

// Run calls tell for each change, until Close.
func (w *Watcher) Run(tell func(Change)) {
	for {
		next := w.at.Add(limits.NetTick)
		hint, err := w.machine.Wait(next)
		if err != nil {
			return
		}
		slept := w.clocks(time.Now())
		if hint && !w.gather() {
			return
		}
		var c Change
		if now := time.Now(); hint || slept > 0 || !now.Before(w.lookAt) {
			c = w.look()
			w.lookAt = now.Add(w.every())
		}
		if c.Slept = slept; c.Any() {
			tell(c)
		}
	}
}

// every is how often the watcher looks without a hint.
func (w *Watcher) every() time.Duration {
	if w.machine.Hints() {
		return limits.NetLookHinted
	}
	return limits.NetLook
}

// gather waits until nothing has changed for limits.NetGather, but not for long;
// false: the watcher was closed.
func (w *Watcher) gather() bool {
	for end := time.Now().Add(limits.NetGatherMost); ; {
		now := time.Now()
		if !now.Before(end) {
			return true
		}
		hint, err := w.machine.Wait(now.Add(limits.NetGather))
		if err != nil {
			return false
		}
		if !hint {
			return true
		}
	}
}

// clocks says for how long the process stood still before now; less than
// limits.NetSlept is none.
func (w *Watcher) clocks(now time.Time) time.Duration {
	stood := w.machine.Stood()
	slept := max(now.Sub(w.at)-limits.NetTick, stood-w.stood)
	w.at, w.stood = now, stood
	if slept < limits.NetSlept {
		return 0
	}
	return slept
}

// look takes a picture and says what is different from the one before.
func (w *Watcher) look() Change {
	p, err := w.machine.Look()
	if err != nil {
		return Change{}
	}
	old, had := w.known, w.looked
	w.known, w.looked = p, true
	if !had {
		return Change{}
	}
	return between(&old, &p)
}

// errClosed ends a Wait.
var errClosed = errors.New("netwatch: closed")
