//go:build !nowebrtc

package webrtc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		over := make(chan struct{})
		for range limits.HandshakeTurns {
			if err := all.enter(t.Context(), nil, false); err != nil {
				t.Fatal(err)
			}
		}
		// They come in this order; two give up.
		got := make(chan string, 10)
		wait := func(name string, ctx context.Context, over <-chan struct{}, urgent bool, want error) {
			go func() {
				if err := all.enter(ctx, over, urgent); !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", name, err, want)
				} else if err == nil {
					got <- name
				}
			}()
			synctest.Wait()
		}
		short, cancel := context.WithCancel(t.Context())
		wait("first", t.Context(), nil, false, nil)
		wait("given up", short, nil, false, context.Canceled)
		wait("second", t.Context(), nil, false, nil)
		wait("closed", t.Context(), over, true, transport.ErrClosed)
		wait("urgent", t.Context(), nil, true, nil)
		cancel()
		close(over)
		synctest.Wait()
		for _, want := range []string{"urgent", "first", "second"} {
			all.leave()
			synctest.Wait()
			select {
			case name := <-got:
				if name != want {
					t.Errorf("got %s, want %s", name, want)
				}
			default:
				t.Errorf("got nobody, want %s", want)
			}
		}
		for range limits.HandshakeTurns {
			all.leave()
		}
		if all.taken != 0 {
			t.Errorf("got %d turns taken at the end, want none", all.taken)
		}
	})
}
