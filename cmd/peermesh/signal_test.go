package main

import (
	"context"
	"os"
	"testing"
)

func TestSecondSignalExitsAtOnce(t *testing.T) {
	signals, codes := make(chan os.Signal), make(chan int)
	ctx, cancel := context.WithCancelCause(t.Context())
	go watch(signals, nil, cancel, func(code int) { codes <- code })

	signals <- os.Interrupt
	<-ctx.Done()
	if got := context.Cause(ctx); got != errInterrupted {
		t.Errorf("after the first signal: got cause %v, want %v", got, errInterrupted)
	}
	signals <- os.Interrupt
	if got := <-codes; got != exitInterrupted {
		t.Errorf("after the second signal: got exit code %d, want %d", got, exitInterrupted)
	}
}

func TestNoSignal(t *testing.T) {
	ctx, stop := interruptible(t.Context(), func(code int) { t.Errorf("got exit with %d, want none", code) })
	if ctx.Err() != nil {
		t.Errorf("before a signal: got %v, want no end", ctx.Err())
	}
	stop()
	if ctx.Err() == nil {
		t.Error("after stop: got no end")
	}
}
