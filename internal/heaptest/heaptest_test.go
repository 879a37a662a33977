package heaptest_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/heaptest"
)

// What is filled is measured, and nothing else.
func TestInUse(t *testing.T) {
	const count, size = 1_000, 1 << 10
	heaptest.Run(t, []heaptest.Row{{Limit: "none", Entries: count, Each: size + 256, Fill: func(*testing.T) any {
		before := heaptest.InUse()
		all := make([][]byte, count)
		for i := range all {
			all[i] = make([]byte, size)
		}
		_ = make([]byte, 100*count*size)
		if got := heaptest.InUse() - before; got < count*size {
			t.Errorf("got %d bytes in use, want at least %d", got, count*size)
		}
		return all
	}}})
}
