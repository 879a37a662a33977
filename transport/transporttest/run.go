package transporttest

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/transport"
)

// Pair makes a pipe for one case. What it needs besides, it ends with
// t.Cleanup; the suite closes both ends.
type Pair func(t testing.TB) (a, b transport.Conn)

// Run runs the suite as subtests of the given name, on the real clock. A case
// also fails if it leaves a goroutine behind.
func Run(t *testing.T, name string, pair Pair) {
	run(t, name, func(t *testing.T, c testCase) {
		current := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, current) })
		c.run(t, pair)
	})
}

// RunInBubble runs the suite with each case in a testing/synctest bubble, for
// carriers that wait on nothing but memory and timers.
func RunInBubble(t *testing.T, name string, pair Pair) {
	run(t, name, func(t *testing.T, c testCase) {
		synctest.Test(t, func(t *testing.T) { c.run(t, pair) })
	})
}

func run(t *testing.T, name string, one func(*testing.T, testCase)) {
	t.Run(name, func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { one(t, c) })
		}
	})
}

// testCase is one promise. Each gets a pipe of its own.
type testCase struct {
	name string
	test func(t testing.TB, a, b transport.Conn)
}

func (c testCase) run(t *testing.T, pair Pair) {
	a, b := pair(t)
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	c.test(t, a, b)
}

var cases = []testCase{
	{"describes itself", testDescription},
	{"keeps order", testOrder},
	{"keeps boundaries", testBoundaries},
	{"takes any bytes", testAnyBytes},
	{"copies what is sent", testSendCopies},
	{"flushes what was gathered", testGathered},
	{"asks for memory late", testLateMemory},
	{"refuses to send too much", testSendTooBig},
	{"ends on too big a message", testReceiveTooBig},
	{"accepts exactly what fits", testExactFit},
	{"TryFlush never blocks", testTryFlush},
	{"runs both ways at once", testDuplex},
	{"Close wakes the receiver", testCloseWakesReceive},
	{"Close wakes the peer's receiver", testCloseWakesPeer},
	{"Close wakes a blocked Flush", testCloseWakesFlush},
	{"Close wakes the peer's blocked Flush", testCloseWakesPeersFlush},
	{"Close often and at once", testCloseOften},
	{"Close keeps what was flushed", testCloseAfterFlush},
	{"nothing works after Close", testAfterClose},
}

// patience is how long anything may take before it counts as hanging.
const patience = 10 * time.Second

// await returns what f returns, or fails when it takes too long.
func await[T any](t testing.TB, what string, f func() T) T {
	t.Helper()
	return awaitResult(t, what, start(f))
}

// start runs f on a goroutine of its own.
func start[T any](f func() T) <-chan T {
	done := make(chan T, 1)
	go func() { done <- f() }()
	return done
}

func awaitResult[T any](t testing.TB, what string, done <-chan T) T {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case v := <-done:
		return v
	case <-late.C:
		t.Fatalf("%s hangs", what)
		panic("unreachable")
	}
}
