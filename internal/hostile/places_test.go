package hostile_test

import (
	"testing"

	"github.com/peermesh/peermesh/internal/hostile"
)

// More connections that are upgraded and say nothing than there are places keep
// out nobody.
func TestSilentUpgradesKeepNobodyOut(t *testing.T) {
	n := relay(t)
	for range 300 {
		pipe, err := hostile.Open(within(t, amply), url(n), hostile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pipe.Close() })
	}
	for range 4 {
		leaf(t, url(n)) // fails the test if it does not join
	}
}
