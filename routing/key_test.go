package routing

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestKeyIsSHA256 fixes the metric: the Keys were computed with sha256sum.
func TestKeyIsSHA256(t *testing.T) {
	for _, tt := range []struct {
		name string
		id   ID
		want string
	}{
		{"zero", ID{}, "de47c9b27eb8d300dbb5f2c353e632c393262cf06340c4fa7f1b40c4cbd36f90"},
		{"0 to 19", sampleID, "e7aebf577f60412f0312d442c70a1fa6148c090bf5bab404caec29482ae779e8"},
	} {
		if got := tt.id.Key().String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestParseKey(t *testing.T) {
	want := sampleID.Key()
	if got, err := ParseKey(strings.ToUpper(want.String())); got != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, in := range []string{"", sampleText, want.String() + "0", "x" + want.String()[1:]} {
		if got, err := ParseKey(in); got != (Key{}) || !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: got %s, %v, want ErrSyntax", in, got, err)
		}
	}
}

func TestPrefix(t *testing.T) {
	if got := (Key{0xde, 0xad, 0xbe, 0xef, 0xff}).Prefix(); got != 0xdeadbeef {
		t.Errorf("got %#x, want 0xdeadbeef", got)
	}
}

func TestCommonPrefixLen(t *testing.T) {
	k := sampleID.Key()
	for bit := range KeyBits {
		if got := k.CommonPrefixLen(flip(k, bit)); got != bit {
			t.Errorf("bit %d flipped: got %d", bit, got)
		}
	}
	if got := k.CommonPrefixLen(k); got != KeyBits {
		t.Errorf("equal: got %d, want %d", got, KeyBits)
	}
}

func TestCloser(t *testing.T) {
	k := sampleID.Key()
	for _, tt := range []struct {
		name string
		a, b Key
		want bool
	}{
		{"equal", k, k, false},
		{"exact against last bit", k, flip(k, 255), true},
		{"last bit against exact", flip(k, 255), k, false},
		{"later bit is closer", flip(k, 100), flip(k, 99), true},
		{"earlier bit is farther", flip(k, 63), flip(k, 64), false},
		{"one early bit outweighs all later", flip(k, 0), flip(flip(k, 1), 2), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Closer(tt.a, tt.b, k); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestMetric checks what greedy forwarding leans on: the distance is symmetric,
// zero only to itself, obeys the triangle, and orders strictly.
func TestMetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := source(rapid.Uint64().Draw(t, "seed"))
		shared := rapid.IntRange(0, KeyBits).Draw(t, "shared")
		a, target := anyKey(src), anyKey(src)
		b := sharing(a, anyKey(src), shared)
		if a.Xor(b) != b.Xor(a) || (a.Xor(b) == Key{}) != (a == b) {
			t.Fatalf("%s, %s: distance %s and back %s", a, b, a.Xor(b), b.Xor(a))
		}
		if a.Xor(b).Xor(b) != a {
			t.Fatalf("%s, %s: two steps do not lead back", a, b)
		}
		if got := a.CommonPrefixLen(b); got < shared || got != a.Xor(b).CommonPrefixLen(Key{}) {
			t.Fatalf("%s, %s: got common prefix %d, want at least %d", a, b, got, shared)
		}
		x, y := a.Xor(target), b.Xor(target)
		if got, want := Closer(a, b, target), x.compare(&y) < 0; got != want {
			t.Fatalf("%s, %s to %s: got closer %v, want %v", a, b, target, got, want)
		}
		if a != b && Closer(a, b, target) == Closer(b, a, target) {
			t.Fatalf("%s, %s to %s: neither or both are closer", a, b, target)
		}
	})
}
