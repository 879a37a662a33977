package link

import (
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// writer is the goroutine that writes what readers and senders leave to it. It
// is started when it is needed and ends when it was not for limits.IdleTick, so
// that an idle link has none and a busy one starts none for each message.
// Guarded by Link.mu.
type writer struct {
	work  sync.Cond      // it waits here; L is Link.mu
	start func()         // its body; nil: it must not be started, before Run and after the link's end
	owed  bool           // it was signalled when it must not be started: once it may, it is
	alive bool           // it runs, or will at once
	spare bool           // it is to end unless there is work
	used  bool           // it wrote since the last tick
	last  time.Time      // the last tick that found it used
	alarm *time.Timer    // has it look again whether a slow line has room; nil: never needed yet
	done  sync.WaitGroup // of the goroutine
}

// ready allows the writer to be started, and starts it if that was wanted before.
func (w *writer) ready(start func()) {
	w.start = start
	if w.owed {
		w.Signal()
	}
}

// Signal has the writer look for work, as soon as it may.
func (w *writer) Signal() {
	switch {
	case w.alive:
		w.work.Signal()
	case w.start != nil:
		w.alive, w.owed = true, false
		w.done.Go(w.start)
	default:
		w.owed = true
	}
}

// Wait waits for a Signal; false: end instead.
func (w *writer) Wait() bool {
	if w.spare {
		return false
	}
	w.work.Wait()
	return true
}

// works notes that it has something to write.
func (w *writer) works() { w.used, w.spare = true, false }

// began notes that the writer runs, on whose goroutine ever.
func (w *writer) began() { w.alive = true }

// left notes that it runs no more.
func (w *writer) left() { w.alive, w.spare = false, false }

// stop keeps it from being started again and wakes it for the last time.
func (w *writer) stop() {
	w.start = nil
	if w.alarm != nil {
		w.alarm.Stop()
	}
	w.work.Broadcast()
}

// tick ends it if it was idle for long. Only one that can be started again ends.
func (w *writer) tick(now time.Time) {
	switch {
	case !w.alive || w.start == nil:
	case w.used:
		w.used, w.last = false, now
	case now.Sub(w.last) >= limits.IdleTick:
		w.spare = true
		w.work.Signal()
	}
}
