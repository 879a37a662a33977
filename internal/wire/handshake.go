package wire

import "encoding/binary"

// Kinds of end-to-end handshake bodies.
const (
	HandshakeFirst  = 1 // Noise message 1, from the initiator
	HandshakeSecond = 2 // Noise message 2, from the responder
	HandshakeThird  = 3 // Noise message 3, from the initiator
	HandshakeCookie = 4 // a busy responder asks for message 1 once more, with this cookie
)

// Sizes of handshakes in bytes (docs/protocol.md, section 4).
const (
	HandshakeHeaderLen = 25  // in front of the Noise message
	FirstFrameLen      = 272 // frame of message 1 without options: an answer with a record of MaxHomes homes is no longer; a shorter one is refused
	SecondFrameMax     = 768 // most for the frame of message 2 without options

	minFirstBody  = FirstFrameLen - HeaderLen
	maxSecondBody = SecondFrameMax - HeaderLen
)

// HandshakeBody is the body of a Handshake frame.
//
//	offset  size  field
//	0       1     kind: 1, 2, 3 the Noise message, 4 cookie
//	1       4     index of the sender: what it wants to see as receiver
//	5       4     index of the receiver; in message 1 a random tag of the copy
//	9       16    cookie; zero: none; in message 2 the tag of the copy of message 1 and
//	              its own, in message 3 that of the copy of message 2, 4 bytes each
//	25      ..    Noise message, to the end; none in kind 4
//
// The body of kind 1 is at least 229 bytes long, so that its frame without
// options has 272 bytes; the body of kind 2 at most 725 (frame: 768).
type HandshakeBody struct {
	Kind             uint8
	Sender, Receiver uint32
	Cookie           [16]byte
	Noise            []byte
}

// AppendHandshakeBody appends v.
func AppendHandshakeBody(dst []byte, v *HandshakeBody) []byte {
	dst = appendU32(appendU32(append(dst, v.Kind), v.Sender), v.Receiver)
	dst = append(dst, v.Cookie[:]...)
	return append(dst, v.Noise...)
}

// ParseHandshakeBody reads the body that fills b. Noise aliases b. It does not
// allocate.
func ParseHandshakeBody(b []byte) (HandshakeBody, error) {
	if len(b) < HandshakeHeaderLen {
		return HandshakeBody{}, ErrShort
	}
	if err := checkHandshake(b[0], len(b)); err != nil {
		return HandshakeBody{}, err
	}
	v := HandshakeBody{
		Kind: b[0], Sender: binary.BigEndian.Uint32(b[1:]), Receiver: binary.BigEndian.Uint32(b[5:]),
		Cookie: [16]byte(b[9:25]), Noise: b[HandshakeHeaderLen:len(b):len(b)],
	}
	return v, nil
}

// checkHandshake holds the lengths of each kind.
func checkHandshake(kind uint8, n int) error {
	switch kind {
	case HandshakeFirst:
		if n < minFirstBody {
			return ErrShort
		}
	case HandshakeSecond:
		if n > maxSecondBody {
			return ErrTooLong
		}
	case HandshakeThird:
	case HandshakeCookie:
		if n != HandshakeHeaderLen {
			return ErrTrailing
		}
	default:
		return ErrType
	}
	return nil
}

// Capabilities of a node, bits of HandshakePayload.Capabilities. Bits 1 and 2 are
// reserved for streams; bit 3 was one of gateways.
const CapDatagram uint32 = 1 << 0 // takes datagrams

// Tags of a HandshakePayload.
const (
	payloadCert         = 1
	payloadInstance     = 2
	payloadWindow       = 3
	payloadCapabilities = 4
	payloadHomes        = 5
)

// HandshakePayload is what messages 2 and 3 of an end-to-end handshake tell:
// tagged fields { tag u8, length u16, value }, in strictly rising order of
// tags; unknown tags are skipped.
//
//	tag  length    value
//	1    101       certificate (Cert) of the Noise static key
//	2    8         instance, required, not zero
//	3    8         window: the instance of the peer whose message ids are still held
//	4    4         capabilities: bit 0 datagrams; all others are reserved, and read as zero
//	5    1+20n     homes: count u8 (0 to 4), count × ID, the best first
//
// An absent field is its zero value. Whether a certificate must be there is for
// the session to say.
type HandshakePayload struct {
	Cert         []byte // nil: none; else CertLen bytes
	Instance     Instance
	Window       Instance
	Capabilities uint32
	Homes        []ID
}

// AppendHandshakePayload appends v.
func AppendHandshakePayload(dst []byte, v *HandshakePayload) []byte {
	dst = appendField(dst, payloadCert, v.Cert)
	dst = appendInstance(dst, payloadInstance, v.Instance)
	dst = appendInstance(dst, payloadWindow, v.Window)
	if v.Capabilities != 0 {
		dst = appendU32(appendTag(dst, payloadCapabilities, 4), v.Capabilities)
	}
	if len(v.Homes) > 0 {
		dst = appendIDs(appendTag(dst, payloadHomes, 1+len(v.Homes)*idLen), v.Homes)
	}
	return dst
}

// ParseHandshakePayload reads the payload that fills b.
func ParseHandshakePayload(b []byte) (HandshakePayload, error) {
	var v HandshakePayload
	if err := fields(b, v.field); err != nil {
		return HandshakePayload{}, err
	}
	if v.Instance == (Instance{}) {
		return HandshakePayload{}, ErrMissing
	}
	return v, nil
}

func (v *HandshakePayload) field(tag uint8, r *reader) {
	switch tag {
	case payloadCert:
		v.Cert = r.exactly(CertLen)
	case payloadInstance:
		v.Instance = r.instance()
	case payloadWindow:
		v.Window = r.instance()
	case payloadCapabilities:
		v.Capabilities = r.u32() & CapDatagram
	case payloadHomes:
		v.Homes = r.ids(MaxHomes)
	default:
		r.skip()
	}
}
