package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// The causes of a context that a signal ended.
var (
	errInterrupted = errors.New("interrupted") // SIGINT
	errTerminated  = errors.New("terminated")  // SIGTERM, or the end of the terminal
)

// interruptible derives a context that the first SIGINT or SIGTERM ends. A second one
// calls exit at once. SIGHUP ends it too, unless it is a wish to reload, see hangups.
// The returned function gives the signals back and waits for the goroutines that watch
// them.
func interruptible(parent context.Context, exit func(code int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	h := newHangups()
	ctx = context.WithValue(ctx, hangupsKey{}, h)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		watch(signals, stopped, cancel, exit)
	}()
	stopHangups := h.watch(cancel)
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		<-ended
		stopHangups()
		cancel(nil)
	}
}

// watch acts on the first two signals, or ends when stopped.
func watch(signals <-chan os.Signal, stopped <-chan struct{}, cancel context.CancelCauseFunc, exit func(code int)) {
	acts := []func(cause error){
		func(cause error) { cancel(cause) },
		func(cause error) { exit(exitCode(cause)) },
	}
	for _, act := range acts {
		select {
		case sig := <-signals:
			act(causeOf(sig))
		case <-stopped:
			return
		}
	}
}

// causeOf is what a signal ends a context with.
func causeOf(sig os.Signal) error {
	if sig == os.Interrupt {
		return errInterrupted
	}
	return errTerminated
}

// bySignal is the signal that ended a context, as an error; nil: none did.
func bySignal(ctx context.Context) error {
	if cause := context.Cause(ctx); cause == errInterrupted || cause == errTerminated {
		return cause
	}
	return nil
}
