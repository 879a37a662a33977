package budget

import (
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
)

// fill has an account take pieces of n bytes until it may hold no more.
func fill(a *Account, n int) {
	for a.Fits(n, false) {
		a.Set(a.Held() + n)
	}
}

// However many take what they can, there is room left, and whoever holds little
// gets some.
func TestTheFullestYieldsFirst(t *testing.T) {
	const most, piece = 32 << 20, 1 << 10
	b := New(most)
	for i := range 1_000 {
		a := b.Open()
		fill(&a, piece)
		if b.Used() > most {
			t.Fatalf("%d accounts: got %d bytes, want at most %d", i+1, b.Used(), most)
		}
	}
	first, last := b.Open(), b.Open()
	fill(&first, piece)
	if !last.Fits(limits.MaxFrame, true) {
		t.Errorf("who holds nothing gets no room beside %d bytes of %d", b.Used(), most)
	}
	if first.Fits(piece, false) {
		t.Error("who holds most gets more")
	}
}

func TestWhatIsGivenBackIsFree(t *testing.T) {
	b := New(1 << 20)
	a := b.Open()
	fill(&a, 100)
	if a.Held() == 0 || b.Used() != a.Held() {
		t.Errorf("got %d bytes used, %d held", b.Used(), a.Held())
	}
	a.Close()
	a.Set(50)
	if b.Used() != 0 || a.Held() != 0 || !a.Fits(1<<30, false) {
		t.Errorf("after the end: got %d bytes used, want none", b.Used())
	}
}

func TestNoBudgetIsNoBound(t *testing.T) {
	var b *Budget
	for _, a := range []Account{{}, b.Open()} {
		a.Set(1 << 40)
		if !a.Fits(1<<40, false) || a.Share() < 1<<40 {
			t.Error("bounded")
		}
	}
}
