package tcpsim

import "time"

// timer calls do at a time that can be changed. An event that was asked for cannot
// be taken back: one that comes too early looks again.
type timer struct {
	clock   Clock
	do      func()
	due     time.Duration // 0: not set
	planned time.Duration // 0: no event is
}

// set lets do be called at a time, and not before.
func (t *timer) set(at time.Duration) {
	t.due = max(at, 1)
	if t.planned == 0 || t.due < t.planned {
		t.planned = t.due
		t.clock.At(t.due, t)
	}
}

func (t *timer) stop() { t.due = 0 }

// Happen implements Event.
func (t *timer) Happen() {
	now := t.clock.Now()
	if t.planned != now {
		return // another one was planned since
	}
	t.planned = 0
	switch {
	case t.due == 0:
	case t.due > now:
		t.set(t.due)
	default:
		t.due = 0
		t.do()
	}
}
