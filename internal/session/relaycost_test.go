package session

import (
	"testing"

	"github.com/flynn/noise"
)

// crossing is the cryptography of one message of a link at a relay: it opens what
// came by one link and seals it for the next.
func crossing(tb testing.TB, size int) func() {
	key := [32]byte{1}
	cipher := func() *Cipher { return newCipher(noise.UnsafeNewCipherState(suite, key, 0)) }
	far, in, out := cipher(), cipher(), cipher()
	plain, buf := make([]byte, size), make([]byte, 0, size+64)
	opened, sealed := make([]byte, 0, size+64), make([]byte, 0, size+64)
	return func() {
		buf = far.Seal(buf[:0], plain, nil)
		got, err := in.Open(opened[:0], buf, nil)
		if err != nil {
			tb.Fatal(err)
		}
		sealed = out.Seal(sealed[:0], got, nil)
	}
}

func TestARelaysCryptographyDoesNotAllocate(t *testing.T) {
	if got := testing.AllocsPerRun(100, crossing(t, 1024)); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

// BenchmarkCrossing has one seal more than a relay: that of the far end.
func BenchmarkCrossing(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(1024)
	one := crossing(b, 1024)
	for b.Loop() {
		one()
	}
}
