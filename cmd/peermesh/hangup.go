package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// terminalFile is the terminal that a process belongs to, where it has one.
const terminalFile = "/dev/tty"

// hangups tell the two meanings of SIGHUP apart. A process whose terminal has gone
// stops, with a goodbye; all others read their files anew, if they have some: those
// without a terminal, those below nohup, and those that somebody sends the signal to.
type hangups struct {
	nohup    bool        // who started this process had SIGHUP ignored
	attached bool        // to a terminal, at the start
	lost     func() bool // the terminal has gone
	signals  chan os.Signal
	wanted   atomic.Bool   // somebody reloads
	reload   chan struct{} // capacity 1
}

type hangupsKey struct{}

func newHangups() *hangups {
	return &hangups{
		nohup: signal.Ignored(syscall.SIGHUP), attached: hasTerminal(), lost: func() bool { return !hasTerminal() },
		signals: make(chan os.Signal, 1), reload: make(chan struct{}, 1),
	}
}

// hasTerminal says whether the process belongs to a terminal that is there.
func hasTerminal() bool {
	f, err := os.OpenFile(terminalFile, os.O_RDWR, 0)
	if err == nil {
		_ = f.Close()
	}
	return err == nil
}

// watch acts on SIGHUP until the function that it returns is called.
func (h *hangups) watch(cancel context.CancelCauseFunc) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	if !h.nohup { // else it stays ignored until somebody reloads
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	go func() {
		defer close(ended)
		for {
			select {
			case <-h.signals:
				h.act(cancel)
			case <-stopped:
				return
			}
		}
	}()
	return func() {
		signal.Stop(h.signals)
		close(stopped)
		<-ended
	}
}

func (h *hangups) act(cancel context.CancelCauseFunc) {
	if !h.nohup && h.attached && h.lost() || !h.wanted.Load() {
		cancel(errTerminated)
		return
	}
	select {
	case h.reload <- struct{}{}:
	default: // one is under way
	}
}

// reloads are the wishes to read all files anew; from now on SIGHUP is one. Nil, which
// never has anything: the context is none of interruptible's.
func reloads(ctx context.Context) <-chan struct{} {
	h, ok := ctx.Value(hangupsKey{}).(*hangups)
	if !ok {
		return nil
	}
	h.wanted.Store(true)
	if h.nohup {
		signal.Notify(h.signals, syscall.SIGHUP)
	}
	return h.reload
}
