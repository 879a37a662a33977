package wire

import (
	"encoding/binary"
	"math"
)

// MaxAckRanges bounds the ranges of one ack.
const MaxAckRanges = 16

const ackRangeLen = 10

// AckRange is a run of message ids that arrived: First, First+1, … Count of them.
type AckRange struct {
	First uint64
	Count uint16 // at least 1; First+Count-1 does not overflow
}

// AppendAckBody appends the body of an ack, behind the PlainHeader.
//
//	offset  size  field
//	0       1     count, 0 to 16
//	1       ..    count × { first id u64, number of ids u16 (at least 1) }
//
// An ack without ranges says only that its sender has the session's keys.
func AppendAckBody(dst []byte, ranges []AckRange) []byte {
	dst = append(dst, byte(len(ranges)))
	for _, v := range ranges {
		dst = appendU16(appendU64(dst, v.First), v.Count)
	}
	return dst
}

// ParseAckBody reads the body that fills b and appends its ranges to dst, at
// most MaxAckRanges. It does not allocate when dst has room.
func ParseAckBody(dst []AckRange, b []byte) ([]AckRange, error) {
	list, rest, err := cutList(b, ackRangeLen, 0, MaxAckRanges, ErrCount)
	if err != nil {
		return dst, err
	}
	if len(rest) > 0 {
		return dst, ErrTrailing
	}
	ranges := dst
	for ; len(list) > 0; list = list[ackRangeLen:] {
		v := AckRange{First: binary.BigEndian.Uint64(list), Count: binary.BigEndian.Uint16(list[8:])}
		if v.Count == 0 || v.First > math.MaxUint64-uint64(v.Count-1) {
			return dst, ErrValue
		}
		ranges = append(ranges, v)
	}
	return ranges, nil
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
