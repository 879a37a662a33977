package identity

import (
	"math"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// recordRule is what a kind of record signs with its claims, and how long one lives.
type recordRule struct {
	label  string
	maxTTL uint16                     // seconds
	check  func(r *wire.Record) error // the body, and whether the signer may say it
}

var recordRules = map[wire.RecordKind]recordRule{
	wire.RecordContact:    {"peermesh-contact-v1", limits.ContactTTL, checkContact},
	wire.RecordAttachment: {"peermesh-attachment-v1", limits.AttachmentTTL, checkAttachment},
	wire.RecordTopic:      {"peermesh-topic-record-v1", limits.TopicTTL, checkTopic},
}

// Sign returns a whole record of i: ready to be sent, at most
// wire.MaxRecordLen bytes long. sequence comes from NextSequence; ttl is in
// seconds, 0 withdraws; body is what wire.AppendContact, AppendAttachment or
// AppendTopic appends. Whether they keep the bounds is not checked here, but by
// every VerifyRecord.
//
// The signature covers the label of the kind ("peermesh-contact-v1",
// "peermesh-attachment-v1", "peermesh-topic-record-v1") and all of the record
// in front of it.
func (i *Identity) Sign(kind wire.RecordKind, sequence uint64, ttl uint16, body []byte) []byte {
	r := wire.Record{
		Version: wire.Version, Kind: kind, Public: i.public,
		Sequence: sequence, TTL: ttl, Body: body,
	}
	r.Sig = i.sign(r.SignedPart(recordRules[kind].label))
	return wire.AppendRecord(make([]byte, 0, wire.RecordOverhead+len(body)), &r)
}

// VerifyRecord checks the record that fills b at the time now: its shape and
// that of its body, its life, its time of signing, its signature. It returns
// the record, whose body aliases b, and the ID of its signer.
//
// A record speaks for the key that signed it and for nobody else: an attachment
// of another ID than the signer's is ErrWrongID.
//
// Errors: those of the parsers of wire and of Verify, ErrTTL, ErrExpired,
// ErrFuture, ErrRecordBody, ErrWrongID. On an error record and ID are zero.
func VerifyRecord(b []byte, now time.Time) (wire.Record, wire.ID, error) {
	r, err := wire.ParseRecord(b)
	if err != nil {
		return wire.Record{}, wire.ID{}, err
	}
	rule := recordRules[r.Kind]
	if err := rule.admits(&r, now); err != nil {
		return wire.Record{}, wire.ID{}, err
	}
	id, err := Verify(r.Public, wire.ID{}, r.SignedPart(rule.label), r.Sig)
	if err != nil {
		return wire.Record{}, wire.ID{}, err
	}
	return r, id, nil
}

// admits holds all rules for a record but the signature.
func (k *recordRule) admits(r *wire.Record, now time.Time) error {
	if r.TTL > k.maxTTL {
		return ErrTTL
	}
	if err := checkSequence(r.Sequence, r.TTL, now); err != nil {
		return err
	}
	return k.check(r)
}

// checkSequence refuses |sequence - now| > tolerance + ttl.
func checkSequence(sequence uint64, ttl uint16, now time.Time) error {
	if sequence > math.MaxInt64 {
		return ErrFuture
	}
	slack := limits.ClockTolerance + seconds(ttl)
	signed := time.UnixMilli(int64(sequence))
	switch {
	case signed.Before(now.Add(-slack)):
		return ErrExpired
	case signed.After(now.Add(slack)):
		return ErrFuture
	}
	return nil
}

func checkContact(r *wire.Record) error {
	_, err := wire.ParseContact(r.Body)
	return err
}

// checkAttachment refuses a live attachment to nowhere, and that of another.
func checkAttachment(r *wire.Record) error {
	a, err := wire.ParseAttachment(r.Body)
	switch {
	case err != nil:
		return err
	case a.Leaf != IDOf(r.Public):
		return ErrWrongID
	case r.TTL > 0 && len(a.Homes) == 0:
		return ErrRecordBody
	}
	return nil
}

func checkTopic(r *wire.Record) error {
	_, err := wire.ParseTopic(r.Body)
	return err
}

// NextSequence returns the sequence of a record signed now, when last is that
// of the record before: Unix milliseconds, at least last + 1.
func NextSequence(last uint64, now time.Time) uint64 {
	return max(last+1, uint64(max(now.UnixMilli(), 0)))
}

// HeldUntil returns when a holder forgets r, which arrived at the time arrival
// with a remaining life of so many seconds (r.TTL from its owner, less from
// another holder): the earlier of that and sequence + ttl + clock tolerance.
// A withdrawal is remembered for limits.WithdrawalKept.
func HeldUntil(r *wire.Record, arrival time.Time, remaining uint16) time.Time {
	if r.TTL == 0 {
		return arrival.Add(limits.WithdrawalKept)
	}
	end := arrival.Add(seconds(min(remaining, r.TTL)))
	last := time.UnixMilli(int64(min(r.Sequence, math.MaxInt64))).Add(seconds(r.TTL) + limits.ClockTolerance)
	if last.Before(end) {
		return last
	}
	return end
}

func seconds(n uint16) time.Duration { return time.Duration(n) * time.Second }
