package main

import (
	"context"
	"os"
	"syscall"
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

// What SIGHUP means: the end where the terminal has gone or nobody reads files again,
// else the files.
func TestMeaningOfAHangup(t *testing.T) {
	for _, test := range []struct {
		name                          string
		nohup, attached, lost, wanted bool
		ends                          bool
	}{
		{"a service", false, false, true, true, false},
		{"a node on its terminal", false, true, false, true, false},
		{"the terminal has gone", false, true, true, true, true},
		{"it has gone below nohup", true, true, true, true, false},
		{"a command without files", false, false, true, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &hangups{nohup: test.nohup, attached: test.attached, lost: func() bool { return test.lost }, reload: make(chan struct{}, 1)}
			h.wanted.Store(test.wanted)
			var cause error
			for range 2 { // the second one does not wait
				h.act(func(err error) { cause = err })
			}
			if ends := cause == errTerminated; ends != test.ends || ends == (len(h.reload) == 1) {
				t.Errorf("got the cause %v and %d wishes to reload, want an end: %t", cause, len(h.reload), test.ends)
			}
		})
	}
}

func TestSignalsHaveTheirCodes(t *testing.T) {
	for sig, code := range map[os.Signal]int{os.Interrupt: exitInterrupted, syscall.SIGTERM: exitOK} {
		if got := exitCode(causeOf(sig)); got != code {
			t.Errorf("%v: got %d, want %d", sig, got, code)
		}
	}
}
