package identity

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

func contactBody() []byte {
	return wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: []string{"ws://192.0.2.1:8080"}})
}

func attachmentBody(leaf wire.ID, homes ...wire.ID) []byte {
	return wire.AppendAttachment(nil, &wire.Attachment{Leaf: leaf, Homes: homes})
}

func topicBody(payload string) []byte {
	return wire.AppendTopic(nil, &wire.Topic{ID: wire.ID{9}, Payload: []byte(payload)})
}

// ms returns the sequence of a record signed at t.
func ms(t time.Time) uint64 { return uint64(t.UnixMilli()) }

func TestVerifyRecord(t *testing.T) {
	alice := seeded(1)
	contact := alice.Sign(wire.RecordContact, ms(now), 3600, contactBody())
	flipped := func(i int) []byte {
		b := append([]byte(nil), contact...)
		b[i] ^= 1
		return b
	}
	sign := func(kind wire.RecordKind, at time.Time, ttl uint16, body []byte) []byte {
		return alice.Sign(kind, ms(at), ttl, body)
	}
	const tolerance = limits.ClockTolerance
	tests := []struct {
		name   string
		record []byte
		err    error
	}{
		{"contact", contact, nil},
		{"attachment", sign(wire.RecordAttachment, now, 120, attachmentBody(alice.ID(), wire.ID{1})), nil},
		{"attachment of another", sign(wire.RecordAttachment, now, 120, attachmentBody(wire.ID{5}, alice.ID())), ErrWrongID},
		{"withdrawn attachment of another", sign(wire.RecordAttachment, now, 0, attachmentBody(wire.ID{5})), ErrWrongID},
		{"topic", sign(wire.RecordTopic, now, 600, topicBody("here")), nil},
		{"withdrawn contact", sign(wire.RecordContact, now, 0, contactBody()), nil},
		{"withdrawn attachment", sign(wire.RecordAttachment, now, 0, attachmentBody(alice.ID())), nil},

		{"contact for too long", sign(wire.RecordContact, now, 3601, contactBody()), ErrTTL},
		{"attachment for too long", sign(wire.RecordAttachment, now, 121, attachmentBody(alice.ID(), wire.ID{1})), ErrTTL},
		{"topic for too long", sign(wire.RecordTopic, now, 601, topicBody("")), ErrTTL},

		{"oldest", sign(wire.RecordTopic, now.Add(-tolerance-600*time.Second), 600, topicBody("")), nil},
		{"too old", sign(wire.RecordTopic, now.Add(-tolerance-600*time.Second-time.Millisecond), 600, topicBody("")), ErrExpired},
		{"newest", sign(wire.RecordTopic, now.Add(tolerance+600*time.Second), 600, topicBody("")), nil},
		{"of the future", sign(wire.RecordTopic, now.Add(tolerance+600*time.Second+time.Millisecond), 600, topicBody("")), ErrFuture},
		{"oldest withdrawal", sign(wire.RecordTopic, now.Add(-tolerance), 0, topicBody("")), nil},
		{"withdrawal too old", sign(wire.RecordTopic, now.Add(-tolerance-time.Millisecond), 0, topicBody("")), ErrExpired},
		{"sequence 0", alice.Sign(wire.RecordTopic, 0, 600, topicBody("")), ErrExpired},
		{"highest sequence", alice.Sign(wire.RecordTopic, math.MaxUint64, 600, topicBody("")), ErrFuture},
		{"highest signed sequence", alice.Sign(wire.RecordTopic, math.MaxInt64, 600, topicBody("")), ErrFuture},

		{"signature forged", flipped(len(contact) - 1), ErrBadSignature},
		{"body forged", flipped(60), ErrBadSignature},
		{"sequence forged", flipped(41), ErrBadSignature},
		{"life forged", flipped(43), ErrTTL},
		{"key exchanged", flipped(2), ErrBadSignature},
		{"version forged", flipped(0), wire.ErrVersion},
		{"cut", contact[:100], wire.ErrShort},
		{"none", nil, wire.ErrShort},

		{"contact without role", sign(wire.RecordContact, now, 60, make([]byte, 5)), wire.ErrValue},
		{"empty body", sign(wire.RecordContact, now, 60, nil), wire.ErrShort},
		{"attachment to nowhere", sign(wire.RecordAttachment, now, 60, attachmentBody(alice.ID())), ErrRecordBody},
		{"attachment cut", sign(wire.RecordAttachment, now, 60, make([]byte, 20)), wire.ErrShort},
		{"topic too long", sign(wire.RecordTopic, now, 60, make([]byte, 533)), wire.ErrTooLong},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, id, err := VerifyRecord(test.record, now)
			if !errors.Is(err, test.err) {
				t.Fatalf("got error %v, want %v", err, test.err)
			}
			if test.err == nil && (id != alice.ID() || r.Public != alice.Public()) {
				t.Errorf("got ID %x, want %x", id, alice.ID())
			}
			if test.err != nil && (id != wire.ID{} || r.Body != nil) {
				t.Errorf("got ID %x and body %x beside the error, want none", id, r.Body)
			}
		})
	}
}

// TestRecordOfAnotherKind: the label of each kind is its own, so that no
// record becomes one of another kind, whatever its bytes.
func TestRecordOfAnotherKind(t *testing.T) {
	alice := seeded(1)
	labels := map[string]bool{certLabel: true, proofLabel: true, idLabel: true}
	for kind, rule := range recordRules {
		if labels[rule.label] {
			t.Errorf("%v: got label %q a second time", kind, rule.label)
		}
		labels[rule.label] = true
	}
	for _, label := range []string{certLabel, proofLabel, "", "peermesh-topic-record-v1"} {
		r := wire.Record{Version: wire.Version, Kind: wire.RecordContact, Public: alice.Public(), Sequence: ms(now), TTL: 60, Body: contactBody()}
		r.Sig = alice.sign(r.SignedPart(label))
		if _, _, err := VerifyRecord(wire.AppendRecord(nil, &r), now); !errors.Is(err, ErrBadSignature) {
			t.Errorf("label %q: got %v, want %v", label, err, ErrBadSignature)
		}
	}
}

// TestRightSignatureWrongID: a key that signs well is still nobody else.
func TestRightSignatureWrongID(t *testing.T) {
	alice, bob := seeded(1), seeded(2)
	message := []byte("message")
	if id, err := Verify(alice.Public(), alice.ID(), message, alice.sign(message)); err != nil || id != alice.ID() {
		t.Errorf("right ID: got %x, %v, want %x", id, err, alice.ID())
	}
	if id, err := Verify(alice.Public(), bob.ID(), message, alice.sign(message)); !errors.Is(err, ErrWrongID) || id != (wire.ID{}) {
		t.Errorf("wrong ID: got %x, %v, want %v", id, err, ErrWrongID)
	}
	if _, id, err := VerifyRecord(bob.Sign(wire.RecordContact, ms(now), 60, contactBody()), now); err != nil || id == alice.ID() {
		t.Errorf("record: got %x, %v, want the signer's ID", id, err)
	}
}

func TestNextSequence(t *testing.T) {
	tests := []struct {
		name string
		last uint64
		at   time.Time
		want uint64
	}{
		{"first", 0, now, ms(now)},
		{"within the same millisecond", ms(now), now, ms(now) + 1},
		{"after the clock was set back", ms(now), now.Add(-time.Hour), ms(now) + 1},
		{"later", ms(now), now.Add(time.Second), ms(now) + 1000},
		{"before 1970", 4, time.Time{}, 5},
	}
	for _, test := range tests {
		if got := NextSequence(test.last, test.at); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestHeldUntil(t *testing.T) {
	record := func(signed time.Time, ttl uint16) *wire.Record { return &wire.Record{Sequence: ms(signed), TTL: ttl} }
	tests := []struct {
		name      string
		record    *wire.Record
		remaining uint16
		want      time.Time
	}{
		{"fresh", record(now, 120), 120, now.Add(120 * time.Second)},
		{"copy", record(now.Add(-time.Minute), 120), 60, now.Add(60 * time.Second)},
		{"copy that claims more than its owner", record(now, 120), 900, now.Add(120 * time.Second)},
		{"told of too often", record(now.Add(-400*time.Second), 120), 120, now.Add(20 * time.Second)},
		{"withdrawal", record(now, 0), 0, now.Add(limits.WithdrawalKept)},
		{"highest sequence", &wire.Record{Sequence: math.MaxUint64, TTL: 60}, 60, now.Add(60 * time.Second)},
	}
	for _, test := range tests {
		if got := HeldUntil(test.record, now, test.remaining); !got.Equal(test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
