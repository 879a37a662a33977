package session

import (
	"bytes"
	"encoding/hex"
	"flag"
	"strconv"
	"testing"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/internal/wire/vectors"
)

var update = flag.Bool("update", false, "rewrite this package's sections of internal/wire/testdata/vectors.json")

func TestVectors(t *testing.T) {
	vectors.Section(t, "handshake", *update, handshakeVectors(t))
	vectors.Section(t, "sealed", *update, sealedVectors(t))
}

// noiseVector is one whole handshake and what follows it, of fixed keys.
type noiseVector struct {
	Name      string          `json:"name"`
	Protocol  string          `json:"protocol"`
	Prologue  string          `json:"prologue"`
	Psk       *string         `json:"psk"`
	Initiator noiseParty      `json:"initiator"`
	Responder noiseParty      `json:"responder"`
	Messages  []noiseMessage  `json:"messages"`
	Transport []sealedMessage `json:"transport"`
}

// noiseParty is one side: private keys, and the public one that it certifies.
type noiseParty struct {
	Static    string `json:"static"`
	Public    string `json:"public"`
	Ephemeral string `json:"ephemeral"`
	Send      string `json:"send"` // key of this side's direction, after the handshake
}

type noiseMessage struct {
	Payload string `json:"payload"`
	Message string `json:"message"`
}

// sealedMessage is one message behind the handshake.
type sealedMessage struct {
	From       string `json:"from"`
	Counter    string `json:"counter"`
	AD         string `json:"ad"`
	Plaintext  string `json:"plaintext"`
	Ciphertext string `json:"ciphertext"`
}

// counting returns n bytes: from, from+1, …
func counting(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func handshakeVectors(t *testing.T) []noiseVector {
	t.Helper()
	var a, b wire.ID
	copy(a[:], counting(0x30, 20))
	copy(b[:], counting(0x50, 20))
	psk := counting(0x80, 32)
	link := []byte(wire.LinkPrologue)
	return []noiseVector{
		noiseVectorOf(t, "link", link, nil, true),
		noiseVectorOf(t, "link with a network key", link, psk, true),
		noiseVectorOf(t, "end to end", prologue(a, b), nil, false),
		noiseVectorOf(t, "end to end with a network key", prologue(a, b), psk, false),
	}
}

// noiseVectorOf plays one handshake. Links rekey, and sealing end to end takes
// the counter from the frame.
func noiseVectorOf(t *testing.T, name string, prologue, psk []byte, link bool) noiseVector {
	t.Helper()
	v := noiseVector{Name: name, Protocol: "Noise_XX_25519_AESGCM_SHA256", Prologue: hex.EncodeToString(prologue)}
	first := []byte{}
	if psk != nil {
		v.Protocol = "Noise_XXpsk0_25519_AESGCM_SHA256"
		s := hex.EncodeToString(psk)
		v.Psk = &s
	}
	if !link {
		first = make([]byte, (&Table{cfg: Config{NetworkKey: psk}}).firstPayload())
	}
	i, is, ie := vectorSide(t, true, prologue, psk)
	r, rs, re := vectorSide(t, false, prologue, psk)
	for n, payload := range [][]byte{first, []byte("payload of message 2"), []byte("payload of message 3")} {
		w, o := i, r
		if n == 1 {
			w, o = r, i
		}
		msg := pass(t, w, o, string(payload))
		v.Messages = append(v.Messages, noiseMessage{hex.EncodeToString(payload), hex.EncodeToString(msg)})
	}
	v.Initiator = noiseParty{hexOf(is.Private), hexOf(is.Public), hexOf(ie), hexOf(i.first.UnsafeKey())}
	v.Responder = noiseParty{hexOf(rs.Private), hexOf(rs.Public), hexOf(re), hexOf(i.second.UnsafeKey())}
	v.transport(t, i, r, link)
	return v
}

func vectorSide(t *testing.T, initiator bool, prologue, psk []byte) (*Handshake, identity.Static, [32]byte) {
	t.Helper()
	from := byte(0x21)
	if initiator {
		from = 0x01
	}
	static := identity.StaticFromPrivate([32]byte(counting(from, 32)))
	ephemeral := [32]byte(counting(from+0x40, 32))
	h, err := NewHandshake(initiator, prologue, static, psk, bytes.NewReader(ephemeral[:]))
	if err != nil {
		t.Fatal(err)
	}
	return h, static, ephemeral
}

func hexOf(b [32]byte) string { return hex.EncodeToString(b[:]) }

// transport adds messages each way and, for a link, those around a new key.
func (v *noiseVector) transport(t *testing.T, i, r *Handshake, link bool) {
	t.Helper()
	is, ir := i.Split()
	rs, rr := r.Split()
	counters := []uint64{0, 1, 1 << 40}
	if link {
		counters = []uint64{0, 1, limits.LinkRekey - 1, limits.LinkRekey, limits.LinkRekey + 1, 2 * limits.LinkRekey}
		for _, c := range []*Cipher{is, ir, rs, rr} {
			c.EnableRekey()
		}
	}
	for _, way := range []struct {
		from       string
		seal, open *Cipher
	}{{"initiator", is, rr}, {"responder", rs, ir}} {
		for _, counter := range counters {
			plaintext := []byte("counter " + strconv.FormatUint(counter, 10))
			sealed := sealOnWay(t, way.seal, way.open, counter, link, plaintext)
			v.Transport = append(v.Transport, sealedMessage{
				From: way.from, Counter: strconv.FormatUint(counter, 10), AD: "",
				Plaintext: hex.EncodeToString(plaintext), Ciphertext: hex.EncodeToString(sealed),
			})
		}
	}
}

// sealOnWay seals under the given counter, after as many messages as that on a link.
func sealOnWay(t *testing.T, seal, open *Cipher, counter uint64, link bool, plaintext []byte) []byte {
	t.Helper()
	var nonce [NonceLen]byte
	if !link {
		sealed := seal.SealAt(&nonce, counter, nil, plaintext, nil)
		mustOpen(t, plaintext)(open.OpenAt(&nonce, counter, nil, sealed, nil))
		return sealed
	}
	for seal.Counter() < counter {
		skipped := seal.Seal(nil, nil, nil)
		mustOpen(t, nil)(open.Open(nil, skipped, nil))
	}
	sealed := seal.Seal(nil, plaintext, nil)
	mustOpen(t, plaintext)(open.Open(nil, sealed, nil))
	return sealed
}

func mustOpen(t *testing.T, want []byte) func([]byte, error) {
	t.Helper()
	return func(got []byte, err error) {
		t.Helper()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("open: got %x, %v, want %x", got, err, want)
		}
	}
}

// dataVector is one whole Data frame sealed with a known key.
type dataVector struct {
	Name      string `json:"name"`
	Key       string `json:"key"`
	Src       string `json:"src"`
	Dst       string `json:"dst"`
	Class     uint8  `json:"class"`
	Receiver  uint32 `json:"receiver"`
	Counter   string `json:"counter"`
	AD        string `json:"ad"`
	Plaintext string `json:"plaintext"`
	Frame     string `json:"frame"`
}

func sealedVectors(t *testing.T) []dataVector {
	t.Helper()
	home := wire.ID(counting(0x70, 20))
	ack := wire.AckBody{Newest: 5, Delay: 31, Marked: 2, Ranges: []wire.AckRange{{First: 1, Count: 3}, {First: 9, Count: 1}}}
	plain := func(kind uint8, dst, src uint16, body []byte) []byte {
		return append(wire.AppendPlainHeader(nil, wire.PlainHeader{Kind: kind, DstPort: dst, SrcPort: src}), body...)
	}
	return []dataVector{
		dataVectorOf(t, "datagram", wire.ClassBulk, nil, 0, plain(wire.PlainDatagram, 7, 9, []byte("a datagram"))),
		dataVectorOf(t, "empty datagram", wire.ClassBulk, nil, 1, plain(wire.PlainDatagram, 0, 0, nil)),
		dataVectorOf(t, "datagram by a home", wire.ClassBulk, []wire.ID{home}, 1<<40, plain(wire.PlainDatagram, 7, 9, []byte("by a home"))),
		dataVectorOf(t, "bundle", wire.ClassBulk, nil, 7,
			plain(wire.PlainBundle, 7, 9, wire.AppendToBundle(wire.AppendToBundle(nil, []byte("one datagram")), []byte("and another")))),
		dataVectorOf(t, "message", wire.ClassInteractive, nil, 2,
			plain(wire.PlainMessage, 7, 9, wire.AppendMessageBody(nil, &wire.MessageBody{ID: 12, Lowest: 10, Data: []byte("a message")}))),
		dataVectorOf(t, "message by a home", wire.ClassInteractive, []wire.ID{home}, 3,
			plain(wire.PlainRequest, 7, 9, wire.AppendMessageBody(nil, &wire.MessageBody{ID: 13, Lowest: 10, Data: []byte("a request")}))),
		dataVectorOf(t, "ack", wire.ClassAck, nil, limits.HardMessages-1, plain(wire.PlainAck, 0, 0, wire.AppendAckBody(nil, &ack))),
	}
}

func dataVectorOf(t *testing.T, name string, class wire.Class, homes []wire.ID, counter uint64, plaintext []byte) dataVector {
	t.Helper()
	src, dst := wire.ID(counting(0x30, 20)), wire.ID(counting(0x50, 20))
	key := [32]byte(counting(0xA0, 32))
	cipher := func() *Cipher { return newCipher(noise.UnsafeNewCipherState(suite, key, 0)) }
	j := &Job{send: cipher(), recv: cipher(), message: []byte{}}
	from := &Table{cfg: Config{Self: src}, counts: counts{1 << 50, 1 << 51}}
	to := &Table{cfg: Config{Self: dst}, counts: from.counts}
	s := from.newSession(&peer{id: dst}, j, 0x01020304, 0x05060708, true, 0)
	o := to.newSession(&peer{id: src}, j, s.remote, s.local, true, 0)
	s.sent.Store(counter)

	r := newRoute(src, dst, homes)
	frame := r.append(nil, wire.TypeData, class, &r.first)
	body := len(frame)
	frame = append(append(frame, make([]byte, wire.DataHeaderLen)...), plaintext...)
	frame, got, ok := s.seal(frame, body+wire.DataHeaderLen, class)
	if !ok || got != counter {
		t.Fatalf("%s: got counter %d, %v", name, got, ok)
	}
	opened, _, why := o.open(bytes.Clone(frame[body:]), class)
	if why != reason.None || !bytes.Equal(opened, plaintext) {
		t.Fatalf("%s: opened %x, %v", name, opened, why)
	}
	return dataVector{
		Name: name, Key: hexOf(key), Src: hex.EncodeToString(src[:]), Dst: hex.EncodeToString(dst[:]), Class: uint8(class),
		Receiver: s.remote, Counter: strconv.FormatUint(counter, 10), AD: hex.EncodeToString(s.sendAD[class][:]),
		Plaintext: hex.EncodeToString(plaintext), Frame: hex.EncodeToString(frame),
	}
}
