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
