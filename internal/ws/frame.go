package ws

import "encoding/binary"

// The head of a WebSocket frame (RFC 6455, section 5.2):
//
//	0     FIN 1 bit, reserved 3, opcode 4 (8 and above: control; 8: close)
//	1     mask 1 bit, length 7 (126: the next 2 bytes are the length, 127: the next 8)
//	..    length 0, 2 or 8 · masking key 4 if the mask bit is set · payload
const (
	opcodeMask  = 0x0f
	opcodeClose = 0x08
	maskBit     = 0x80
)

// isControl tells whether the frame that b begins is a ping, pong or close.
func isControl(b []byte) bool { return b[0]&opcodeClose != 0 }

// isClose tells whether the frame that b begins is a close.
func isClose(b []byte) bool { return b[0]&opcodeMask == opcodeClose }

// hasHead tells whether b holds the whole head of the frame that it begins.
func hasHead(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	n := 2
	if b[1]&maskBit != 0 {
		n += 4
	}
	switch b[1] &^ maskBit {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	return len(b) >= n
}

// frameLen is the length in bytes of the frame that b begins, its head
// included. b holds at least the whole head, which in what the library writes
// comes at once: its buffer is empty when a frame begins and larger than any head.
// A length that no frame may have makes it negative.
func frameLen(b []byte) int {
	n := 2
	if b[1]&maskBit != 0 {
		n += 4
	}
	switch size := int(b[1] &^ maskBit); size {
	case 126:
		return n + 2 + int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return n + 8 + int(binary.BigEndian.Uint64(b[2:]))
	default:
		return n + size
	}
}
