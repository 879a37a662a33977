package transporttest_test

import (
	"testing"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
	"github.com/peermesh/peermesh/transport/transporttest"
)

// A carrier's test makes pipes, and the suite does the rest. A carrier with sockets
// calls Run instead, as virtual time stands still while one is waited for. This is
// compiled and not run: a suite needs the *testing.T of a test.
func ExampleRunInBubble() {
	testConformance := func(t *testing.T) { // in the carrier's package: func TestConformance
		transporttest.RunInBubble(t, "mem", func(testing.TB) (a, b transport.Conn) { return mem.Pipe() })
	}
	_ = testConformance
}
