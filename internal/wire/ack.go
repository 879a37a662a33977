package wire

import (
	"encoding/binary"
	"math"
	"time"
)

// MaxAckRanges bounds the ranges of one ack.
const MaxAckRanges = 16

const ackRangeLen = 10

// AckRange is a run of message ids that arrived: First, First+1, … Count of them.
type AckRange struct {
	First uint64
	Count uint16 // at least 1; First+Count-1 does not overflow
}

// AckDelayUnit is what AckBody.Delay counts.
const AckDelayUnit = 64 * time.Microsecond

// NoCounter in AckBody.Newest: no message came on this session yet.
const NoCounter = math.MaxUint64

const ackHeadLen = 8 + 2 + 4

// AckBody is the body of an ack, behind the PlainHeader. Newest, Delay and Marked are
// of the session that the ack itself is sealed by, whatever sessions the messages
// that the ranges name came on.
//
//	offset  size  field
//	0       8     highest counter of a message that was accepted on this session; all ones: none was
//	8       2     time since then, in units of 64 µs; the highest value stands for all longer times too
//	10      4     message frames with the bit marked that came on this session, duplicates too
//	14      1     count, 0 to 16
//	15      ..    count × { first id u64, number of ids u16 (at least 1) }
//
// An ack without ranges says only that its sender has the session's keys.
type AckBody struct {
	Newest uint64
	Delay  uint16
	Marked uint32
	Ranges []AckRange
}

// AckDelay returns d in units of AckDelayUnit, saturating at both ends.
func AckDelay(d time.Duration) uint16 {
	return uint16(min(max(d/AckDelayUnit, 0), math.MaxUint16))
}

// AppendAckBody appends v.
func AppendAckBody(dst []byte, v *AckBody) []byte {
	dst = appendU32(appendU16(appendU64(dst, v.Newest), v.Delay), v.Marked)
	dst = append(dst, byte(len(v.Ranges)))
	for _, r := range v.Ranges {
		dst = appendU16(appendU64(dst, r.First), r.Count)
	}
	return dst
}

// ParseAckBody reads the body that fills b. Its ranges are appended to ranges, at
// most MaxAckRanges. It does not allocate when ranges has room.
func ParseAckBody(ranges []AckRange, b []byte) (AckBody, error) {
	if len(b) < ackHeadLen {
		return AckBody{}, ErrShort
	}
	v := AckBody{
		Newest: binary.BigEndian.Uint64(b), Delay: binary.BigEndian.Uint16(b[8:]),
		Marked: binary.BigEndian.Uint32(b[10:]), Ranges: ranges,
	}
	list, rest, err := cutList(b[ackHeadLen:], ackRangeLen, 0, MaxAckRanges, ErrCount)
	if err != nil {
		return AckBody{}, err
	}
	if len(rest) > 0 {
		return AckBody{}, ErrTrailing
	}
	for ; len(list) > 0; list = list[ackRangeLen:] {
		r := AckRange{First: binary.BigEndian.Uint64(list), Count: binary.BigEndian.Uint16(list[8:])}
		if r.Count == 0 || r.First > math.MaxUint64-uint64(r.Count-1) {
			return AckBody{}, ErrValue
		}
		v.Ranges = append(v.Ranges, r)
	}
	return v, nil
}

// RefusalBody is the body of a refusal, behind the PlainHeader: a message
// that its receiver did not take and never will.
//
//	offset  size  field
//	0       8     id of the message
//	8       1     reason, a number of internal/reason, not 0
type RefusalBody struct {
	ID     uint64
	Reason uint8
}

// AppendRefusalBody appends v.
func AppendRefusalBody(dst []byte, v *RefusalBody) []byte {
	return append(appendU64(dst, v.ID), v.Reason)
}

// ParseRefusalBody reads the body that fills b. It does not allocate.
func ParseRefusalBody(b []byte) (RefusalBody, error) {
	r := reader{b: b}
	v := RefusalBody{ID: r.u64(), Reason: r.u8()}
	r.require(v.Reason != 0, ErrValue)
	return finish(&r, v)
}

// HomesBody is the body of a homes message, behind the PlainHeader: where the
// sender is to be found from now on.
//
//	offset  size  field
//	0       8     id, counted by the sender
//	8       8     lowest id that the sender has no ack for, as in MessageBody
//	16      1     count, 0 to 4
//	17      ..    count × ID, the best first; none: a relay, or no home at all
type HomesBody struct {
	ID, Lowest uint64
	Homes      []ID
}

// AppendHomesBody appends v.
func AppendHomesBody(dst []byte, v *HomesBody) []byte {
	return appendIDs(appendU64(appendU64(dst, v.ID), v.Lowest), v.Homes)
}

// ParseHomesBody reads the body that fills b.
func ParseHomesBody(b []byte) (HomesBody, error) {
	r := reader{b: b}
	v := HomesBody{ID: r.u64(), Lowest: r.u64()}
	r.require(checkIDs(v.ID, v.Lowest), ErrValue)
	v.Homes = r.ids(MaxHomes)
	return finish(&r, v)
}
