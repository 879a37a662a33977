package reason

import "testing"

// What a bound of the node refused is never moot.
func TestMootIsNoLimit(t *testing.T) {
	for r := range Reason(count) {
		if r.IsMoot() && r.IsLimit() {
			t.Errorf("%v: got both moot and a limit", r)
		}
	}
	if !NoRoute.IsMoot() || QueueFull.IsMoot() || BadSeal.IsMoot() {
		t.Error("got no-route not moot, or a loss moot")
	}
}
