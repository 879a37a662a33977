package guard_test

import (
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/guard"
)

func TestAPanicEndsItsPart(t *testing.T) {
	var got *guard.Panic
	guard.Do("a part", func() { panic("oh") }, func(p *guard.Panic) { got = p })
	if got == nil || got.Error() != "panic in a part: oh" || !strings.Contains(string(got.Stack), "TestAPanicEndsItsPart") {
		t.Errorf("got %v, want the panic with its stack", got)
	}
	got = nil
	guard.Do("a part", func() {}, func(p *guard.Panic) { got = p })
	if got != nil {
		t.Errorf("got %v of a part that ends well", got)
	}
}

// What others call on their own goroutines is held like what runs on one of ours.
func TestCallbacksAreGuarded(t *testing.T) {
	var got *guard.Panic
	note := func(p *guard.Panic) { got = p }
	guard.Func("a timer", func() { panic("oh") }, note)()
	if got == nil || got.What != "a timer" {
		t.Errorf("got %v, want the panic of a timer", got)
	}
	given := 0
	guard.With("a callback", func(n int) { given = n; panic("oh") }, note)(7)
	before := guard.Loose()
	guard.Do("a part of nobody", func() { panic("oh") }, nil)
	if guard.Loose() != before+1 {
		t.Errorf("loose: got %d, want one more than %d", guard.Loose(), before)
	}
	if got.What != "a callback" || given != 7 {
		t.Errorf("got %v with %d, want the panic of a callback with 7", got, given)
	}
}
