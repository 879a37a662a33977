package wire

import "testing"

func TestSameID(t *testing.T) {
	a := ID{1, 2, 3, 19: 4}
	for i := range a {
		b := a
		if !SameID(&a, &b) {
			t.Fatalf("got %x and %x different", a, b)
		}
		b[i] ^= 0x80
		if SameID(&a, &b) {
			t.Fatalf("got the same with byte %d changed", i)
		}
	}
}
