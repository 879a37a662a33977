package node

import (
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
)

// lateness is what the links and ports that a reader has not yet told of what
// they got have got together.
type lateness struct {
	frames, bytes int
	passOn        func() // walker.passOn, made once
}

// enough says that they have to be told now: what others could begin with would
// only wait.
func (l *lateness) enough() bool {
	return l.bytes >= limits.ReadAhead || l.frames >= limits.ReadAheadFrames
}

// touch notes a link that has got something.
func (w *walker) touch(l *link.Link) {
	for _, t := range w.touched {
		if t == l {
			return
		}
	}
	w.touched = append(w.touched, l)
}

// sendOn has sent on what the batch brought: a little, which others need not wait
// for, at once where the links are quiet, the rest once no more has arrived.
func (w *walker) sendOn() {
	if w.late.frames <= limits.InlineFrames {
		w.signal()
		w.kickQuiet()
	}
	if len(w.touched)+len(w.fed) == 0 {
		w.late.frames, w.late.bytes = 0, 0
	} else if w.late.enough() || !w.link.Defer(w.late.passOn) {
		w.passOn()
	}
}

// kickQuiet sends on by those links that are quiet.
func (w *walker) kickQuiet() {
	loud := w.touched[:0]
	for _, l := range w.touched {
		if !l.Kick(w.late.frames) {
			loud = append(loud, l)
		}
	}
	clear(w.touched[len(loud):])
	w.touched = loud
}

// passOn wakes the ports and the writers of the links that got something. A
// reader does so when it has dealt with all that has arrived, so that a chain of
// relays passes on together what gathered on its way: each batch by itself, small
// ones would stay small to the end.
func (w *walker) passOn() {
	w.signal()
	for i, l := range w.touched {
		l.Rouse()
		w.touched[i] = nil
	}
	w.touched = w.touched[:0]
	w.late.frames, w.late.bytes = 0, 0
}
