//go:build !nowebrtc

package webrtc

import (
	"bytes"
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
		close(locked)
	})
}
