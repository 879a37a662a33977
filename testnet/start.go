package testnet

import (
	"context"
	"time"
)

// startTime bounds how long Start waits for a network to settle.
const startTime = time.Minute

// TB is what Start needs of a test; *testing.T, *testing.B and *testing.F have it.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Start starts a network for a test, waits until it has settled and closes it
// when the test ends. What goes wrong ends the test. It must be called from the
// test's own goroutine.
func Start(tb TB, opts Options) *Net {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	n, err := New(ctx, opts)
	if err != nil {
		tb.Fatalf("testnet: %v", err)
		return nil
	}
	tb.Cleanup(func() {
		if err := n.Close(); err != nil {
			tb.Logf("testnet: close: %v", err)
		}
	})
	if err := n.WaitReady(ctx); err != nil {
		tb.Fatalf("testnet: %v", err)
	}
	return n
}
