//go:build linux && !nowebrtc

package browsertest

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/peermesh/peermesh/internal/identity"
)

// vectors are those of the normative page that are about a link of a page.
type vectors struct {
	Identity struct {
		Keys []struct{ Seed, Public, ID string }
		Weak []string
	}
	Hello, Invalid, Tolerant []struct{ Name, Parser, Bytes string }
	Records                  []struct {
		Name, Bytes, Signer string
		Now                 int64
		Valid               bool
		Body                struct {
			Role   int
			WebRTC bool
			STUN   int
			URLs   []string
		}
		Fields struct {
			Kind, TTL int
			Sequence  string
			Body      string
		}
	}
	Proofs []struct {
		Name, Bytes string
		Claim       map[string]string
		Valid       bool
	}
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "wire", "testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(text, &sections); err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]any{
		"identity": &v.Identity, "hello": &v.Hello, "invalid": &v.Invalid, "tolerant": &v.Tolerant,
		"records": &v.Records, "proofs": &v.Proofs,
	} {
		if err := json.Unmarshal(sections[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return v
}

// The page's modules read and write what the vectors say.
func testVectors(t *testing.T, p *page) {
	v := readVectors(t)
	p.tryIdentity(t, v)
	p.tryHello(t, v)
	p.tryContacts(t, v)
	p.tryProofs(t, v)
}

func (p *page) tryIdentity(t *testing.T, v vectors) {
	for _, k := range v.Identity.Keys {
		if got := call[struct{ Public, ID string }](t, p, "identity", args{"seed": k.Seed}); got.Public != k.Public || got.ID != k.ID {
			t.Errorf("seed %s: got %+v", k.Seed, got)
		}
	}
	for _, key := range v.Identity.Weak {
		// The ID is checked first, so that of the key itself is wanted.
		p.refuses(t, "weak", args{"key": key, "id": idOf(t, key)}, "weak "+key)
	}
}

func (p *page) tryHello(t *testing.T, v vectors) {
	for _, h := range v.Hello {
		if got := call[string](t, p, "hello", args{"bytes": h.Bytes}); got != h.Bytes {
			t.Errorf("hello %q: got %s, want %s", h.Name, got, h.Bytes)
		}
	}
	for _, h := range v.Tolerant {
		if h.Parser == "hello" {
			p.do(t, "hello", args{"bytes": h.Bytes})
		}
	}
	for _, h := range v.Invalid {
		if h.Parser == "hello" || h.Parser == "contact" {
			p.refuses(t, h.Parser, args{"bytes": h.Bytes}, h.Name)
		}
	}
}

func (p *page) tryContacts(t *testing.T, v vectors) {
	const contact = 1
	for _, r := range v.Records {
		arg := args{"bytes": r.Bytes, "id": r.Signer, "now": r.Now}
		if r.Signer == "" {
			arg["id"] = v.Identity.Keys[1].ID
		}
		if !r.Valid || r.Fields.Kind != contact {
			p.refuses(t, "record", arg, r.Name)
			continue
		}
		p.do(t, "record", arg)
		if got := call[string](t, p, "contact", args{"bytes": r.Fields.Body}); got != r.Fields.Body {
			t.Errorf("contact %q: got %s, want %s", r.Name, got, r.Fields.Body)
		}
		sequence, err := strconv.ParseInt(r.Fields.Sequence, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		urls := append([]string{}, r.Body.URLs...)
		got := call[string](t, p, "signContact", args{
			"seed": v.Identity.Keys[1].Seed, "sequence": sequence, "ttl": r.Fields.TTL,
			"contact": args{"role": r.Body.Role, "webRTC": r.Body.WebRTC, "stun": r.Body.STUN, "urls": urls},
		})
		if got != r.Bytes {
			t.Errorf("record %q: got %s, want %s", r.Name, got, r.Bytes)
		}
	}
}

func (p *page) tryProofs(t *testing.T, v vectors) {
	for _, proof := range v.Proofs {
		arg := args{"bytes": proof.Bytes, "claim": proof.Claim}
		if !proof.Valid {
			p.refuses(t, "proof", arg, proof.Name)
			continue
		}
		p.do(t, "proof", arg)
		claim := maps.Clone(proof.Claim)
		claim["own"] = "" // that of the key
		if got := call[string](t, p, "prove", args{"seed": v.Identity.Keys[1].Seed, "claim": claim}); got != proof.Bytes {
			t.Errorf("proof %q: got %s, want %s", proof.Name, got, proof.Bytes)
		}
	}
}

// refuses makes a call that the page has to refuse.
func (p *page) refuses(t *testing.T, name string, a args, what string) {
	t.Helper()
	if err := p.begin(name, a)(nil); err == nil {
		t.Errorf("%s %q: got it taken, want it refused", name, what)
	}
}

// idOf returns the ID of a key in hex.
func idOf(t *testing.T, key string) string {
	t.Helper()
	b, err := hex.DecodeString(key)
	if err != nil || len(b) != 32 {
		t.Fatalf("key %q: %v", key, err)
	}
	id := identity.IDOf([32]byte(b))
	return hex.EncodeToString(id[:])
}
