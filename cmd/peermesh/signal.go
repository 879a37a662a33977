package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of the context after SIGINT or SIGTERM.
var errInterrupted = errors.New("interrupted")

// interruptible derives a context that the first SIGINT or SIGTERM ends. A
// second one calls exit with 130 at once. The returned function gives the
// signals back and waits for the goroutine that watches them.
func interruptible(parent context.Context, exit func(code int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		watch(signals, stopped, cancel, exit)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		<-ended
		cancel(nil)
	}
}

// watch acts on the first two signals, or ends when stopped.
func watch(signals <-chan os.Signal, stopped <-chan struct{}, cancel context.CancelCauseFunc, exit func(code int)) {
	acts := []func(){
		func() { cancel(errInterrupted) },
		func() { exit(exitInterrupted) },
	}
	for _, act := range acts {
		select {
		case <-signals:
			act()
		case <-stopped:
			return
		}
	}
}
