package session

import "github.com/peermesh/peermesh/internal/wire"

// effects are calls to the owner that wait until no lock is held. The zero
// value is ready; run empties it for the next use.
type effects struct {
	done   []ended
	events []Event
	doubts []wire.ID // first hops
	losses []wire.ID // the same
}

// ended is a message whose result is known.
type ended struct {
	done   func(Result)
	result Result
}

// run makes the calls, in the order in which they came up.
func (fx *effects) run(t *Table) {
	for i := 0; i < len(fx.done); i++ {
		if e := fx.done[i]; e.done != nil {
			e.done(e.result)
		}
	}
	for i := 0; i < len(fx.events); i++ {
		if t.cfg.Notify != nil {
			t.cfg.Notify(fx.events[i])
		}
	}
	for i := 0; i < len(fx.doubts); i++ {
		if t.cfg.Doubt != nil {
			t.cfg.Doubt(fx.doubts[i])
		}
	}
	for i := 0; i < len(fx.losses); i++ {
		if t.cfg.Lost != nil {
			t.cfg.Lost(fx.losses[i])
		}
	}
	clear(fx.done)
	clear(fx.events)
	fx.done, fx.events, fx.doubts, fx.losses = fx.done[:0], fx.events[:0], fx.doubts[:0], fx.losses[:0]
}
