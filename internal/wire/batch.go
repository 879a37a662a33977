package wire

import "encoding/binary"

// BatchHeader is the number of bytes in front of each frame of a batch.
const BatchHeader = 2

// NextInBatch splits the first frame off a batch, which is what one carrier
// message holds:
//
//	{ length u16 (1 to MaxFrame), frame of so many bytes } one or more times
//
// A frame whose first byte is 0x80 or more is a link frame, any other a mesh
// frame. Both results alias b; rest is empty behind the last frame. It does not
// allocate.
func NextInBatch(b []byte) (frame, rest []byte, err error) {
	if len(b) < BatchHeader {
		return nil, nil, ErrShort
	}
	n := int(binary.BigEndian.Uint16(b))
	end := BatchHeader + n
	switch {
	case n == 0:
		return nil, nil, ErrLength
	case n > MaxFrame:
		return nil, nil, ErrTooLong
	case end > len(b):
		return nil, nil, ErrShort
	}
	return b[BatchHeader:end:end], b[end:], nil
}

// AppendToBatch appends frame, of 1 to MaxFrame bytes, to the batch dst.
func AppendToBatch(dst, frame []byte) []byte {
	return append(appendU16(dst, uint16(len(frame))), frame...)
}
