package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// now is when the tests take place.
var now = time.Unix(1_750_000_000, 0)

// seeded returns the identity whose seed is b, 32 times.
func seeded(b byte) *Identity { return FromSeed([32]byte(bytes.Repeat([]byte{b}, 32))) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIDIsAHashOfTheKey(t *testing.T) {
	i := seeded(1)
	public := i.Public()
	sum := sha256.Sum256(append([]byte("peermesh-id-v1"), public[:]...))
	if got, want := i.ID(), wire.ID(sum[:20]); got != want || IDOf(public) != want {
		t.Errorf("got ID %x, want %x", got, want)
	}
	id := i.ID()
	if got, want := KeyOf(id), sha256.Sum256(id[:]); got != want {
		t.Errorf("got Key %x, want %x", got, want)
	}
}

// TestFromSeed: the first test vector of RFC 8032, section 7.1.
func TestFromSeed(t *testing.T) {
	seed := unhex(t, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	want := unhex(t, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if got := FromSeed([32]byte(seed)).Public(); !bytes.Equal(got[:], want) {
		t.Errorf("got public key %x, want %x", got, want)
	}
}

// TestStatic: Alice's keys of RFC 7748, section 6.1.
func TestStatic(t *testing.T) {
	private := unhex(t, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
	want := unhex(t, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
	if got := StaticFromPrivate([32]byte(private)); !bytes.Equal(got.Public[:], want) || !bytes.Equal(got.Private[:], private) {
		t.Errorf("got public key %x, want %x", got.Public, want)
	}
}

func TestRandomKeys(t *testing.T) {
	a, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(rand.Reader)
	if err != nil || a.ID() == b.ID() {
		t.Errorf("got the same ID twice, or %v", err)
	}
	seed := bytes.Repeat([]byte{7}, 32)
	c, err := New(bytes.NewReader(seed))
	if err != nil || c.ID() != seeded(7).ID() {
		t.Errorf("got %v, %v, want the identity of what rand gave", c, err)
	}
	s, err := NewStatic(bytes.NewReader(seed))
	if err != nil || s != StaticFromPrivate([32]byte(seed)) {
		t.Errorf("got %v, %v, want the key of what rand gave", s, err)
	}
}

func TestRandomnessThatEnds(t *testing.T) {
	if _, err := New(bytes.NewReader(make([]byte, 31))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("New: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if _, err := NewStatic(strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("NewStatic: got %v, want %v", err, io.EOF)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	i, s := seeded(0x5a), StaticFromPrivate([32]byte(bytes.Repeat([]byte{0x5b}, 32)))
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(format+" "+format, i, s)
		if strings.Contains(text, "5a5a5a") || strings.Contains(text, "5b5b5b") || strings.Contains(text, "90, 90") {
			t.Errorf("%s: got %q, which shows a secret", format, text)
		}
	}
	id := i.ID()
	if got, want := i.String(), hex.EncodeToString(id[:]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIDOfDoesNotAllocate(t *testing.T) {
	public := seeded(1).Public()
	var id wire.ID
	if got := testing.AllocsPerRun(100, func() { id = IDOf(public) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
	_ = id
}

// TestWireHoldsTheLimits: package wire imports nothing of ours, so that its
// bounds repeat those of package limits.
func TestWireHoldsTheLimits(t *testing.T) {
	tests := []struct {
		name      string
		got, want int
	}{
		{"MaxFrame", wire.MaxFrame, limits.MaxFrame},
		{"PieceSlots", wire.PieceSlots, limits.PieceSlots},
		{"MaxMessage", wire.MaxMessage, limits.MaxMessage},
		{"MaxBundle", wire.MaxBundle, limits.MaxBundle},
		{"MaxHopLimit", wire.MaxHopLimit, limits.MaxHops},
		{"MaxByeContacts", wire.MaxByeContacts, limits.ByeContacts},
		{"MaxPeers", wire.MaxPeers, limits.PeerListEntries},
		{"MaxNodes", wire.MaxNodes, limits.NodesEntries},
		{"MaxHomes", wire.MaxHomes, limits.Homes},
		{"MaxTopicPayload", wire.MaxTopicPayload, limits.TopicPayload},
		{"MaxContactURLs", wire.MaxContactURLs, limits.ContactURLs},
		{"MaxContactURLBytes", wire.MaxContactURLBytes, limits.ContactURLBytes},
		{"MaxAckRanges", wire.MaxAckRanges, limits.AckRanges},
		{"MessageWindow", wire.MessageWindow, limits.MessageWindow},
		{"MaxSDP", wire.MaxSDP, limits.SDPBytes},
		{"MaxCandidates", wire.MaxCandidates, limits.Candidates},
		{"MaxCandidateBytes", wire.MaxCandidateBytes, limits.CandidateBytes},
		{"NonceLen", wire.NonceLen, limits.HintEcho},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %d, want %d as in limits", test.name, test.got, test.want)
		}
	}
}
