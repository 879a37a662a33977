package wire

import "encoding/binary"

// MaxBundle is the most bytes in the body of a bundle. With all that may stand
// before it, the longest detour list included, its frame is no LargeFrame.
const MaxBundle = 3_584

// BundleHeader is the number of bytes in front of each datagram of a bundle.
const BundleHeader = 2

// CheckBundle holds the rules for the body of a bundle, which follows the
// PlainHeader and has its ports: at most MaxBundle bytes that are
//
//	{ length u16 (0 or more), data of so many bytes } two or more times
//
// A single datagram has a kind of its own. It does not allocate.
func CheckBundle(b []byte) error {
	if len(b) > MaxBundle {
		return ErrTooLong
	}
	n := 0
	for ; len(b) > 0; n++ {
		if len(b) < BundleHeader {
			return ErrShort
		}
		end := BundleHeader + int(binary.BigEndian.Uint16(b))
		if end > len(b) {
			return ErrShort
		}
		b = b[end:]
	}
	if n < 2 {
		return ErrCount
	}
	return nil
}

// NextInBundle splits the first datagram off the rest of a body that CheckBundle
// has found right. Both results alias b; rest is empty behind the last one.
func NextInBundle(b []byte) (data, rest []byte) {
	end := BundleHeader + int(binary.BigEndian.Uint16(b))
	return b[BundleHeader:end:end], b[end:]
}

// AppendToBundle appends one datagram to the body dst of a bundle.
func AppendToBundle(dst, data []byte) []byte {
	return append(appendU16(dst, uint16(len(data))), data...)
}
