//go:build !nowebrtc

package webrtc

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Nobody waits for ever for a library that has locked up.
func TestEndsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		e := &Endpoint{config: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
		begin := time.Now()
		e.bounded(func() { time.Sleep(limits.CloseLinger) })
		if took := time.Since(begin); took != limits.CloseLinger || log.Len() > 0 {
			t.Errorf("got %v and %q, want %v and silence", took, &log, limits.CloseLinger)
		}
		locked := make(chan struct{})
		e.bounded(func() { <-locked })
		if took := time.Since(begin); took != limits.CloseLinger+limits.CloseMost || !strings.Contains(log.String(), "does not end") {
			t.Errorf("got %v and %q, want to be told after %v", took, &log, limits.CloseMost)
		}
		if got := e.Stuck(); got != 1 {
			t.Errorf("got %d stuck, want 1", got)
		}
		close(locked)
		synctest.Wait()
		if got := e.Stuck(); got != 0 || !strings.Contains(log.String(), "ended late") {
			t.Errorf("got %d stuck and %q, want none and to be told", got, &log)
		}
	})
}

// Ends that never end let fewer links be made, and then none.
func TestStuckEnds(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	far, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	told, err := far.Offer(t.Context(), Setup{})
	if err != nil {
		t.Fatal(err)
	}
	// The handshake is told, is not, or is told in a way that the library does not see.
	bare := strings.Replace(told.Description(), "a=sctp-init:", "a=x:", 1)
	hidden := strings.Replace(told.Description(), "a=sctp-init:", "a=sctp-init:\r\na=sctp-init:", 1)
	for _, c := range []struct {
		stuck                int
		offer, answer, other error
	}{
		{limits.StuckEnds - 1, nil, nil, nil},
		{limits.StuckEnds, nil, nil, ErrStuck},
		{limits.StuckEndsMost - 1, nil, nil, ErrStuck},
		{limits.StuckEndsMost, ErrStuck, ErrStuck, ErrStuck},
		{0, nil, nil, nil},
	} {
		e.countStuck(c.stuck - e.Stuck())
		try := func(what string, want error, f func() (*Attempt, error)) {
			a, err := f()
			if err == nil {
				_ = a.Close()
			}
			if !errors.Is(err, want) {
				t.Errorf("%d stuck, %s: got %v, want %v", c.stuck, what, err, want)
			}
		}
		answer := func(offer string) func() (*Attempt, error) {
			return func() (*Attempt, error) { return e.Answer(t.Context(), Setup{}, offer) }
		}
		try("an offer", c.offer, func() (*Attempt, error) { return e.Offer(t.Context(), Setup{}) })
		try("an answer", c.answer, answer(told.Description()))
		try("an answer to one without sctp-init", c.other, answer(bare))
		try("an answer to one with an empty sctp-init", c.other, answer(hidden))
	}
}

// An answer without sctp-init is refused as an offer is.
func TestStuckEndsRefuseAnAnswer(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	a, err := e.Offer(t.Context(), Setup{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Answer(t.Context(), Setup{}, a.Description())
	if err != nil {
		t.Fatal(err)
	}
	e.countStuck(limits.StuckEnds)
	bare := strings.Replace(b.Description(), "a=sctp-init:", "a=x:", 1)
	if err := a.SetAnswer(t.Context(), bare); !errors.Is(err, ErrStuck) {
		t.Errorf("got %v, want ErrStuck", err)
	}
	if err := a.SetAnswer(t.Context(), b.Description()); err != nil {
		t.Error(err)
	}
}
