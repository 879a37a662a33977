package wire

import "encoding/binary"

// Sizes of sealed data in bytes.
const (
	DataHeaderLen = 12 // in front of the ciphertext
	TagLen        = 16 // authentication tag at the end of it
)

// DataBody is the body of a Data frame.
//
//	offset  size  field
//	0       4     index of the receiver, as its handshake message told
//	4       8     counter of the sender: the nonce of this seal
//	12      ..    ciphertext and, at its end, the tag of 16 bytes
//
// The plaintext begins with a PlainHeader. The seal also covers AppendAD.
type DataBody struct {
	Receiver uint32
	Counter  uint64
	Sealed   []byte
}

// AppendDataBody appends v.
func AppendDataBody(dst []byte, v *DataBody) []byte {
	return append(AppendDataHeader(dst, v.Receiver, v.Counter), v.Sealed...)
}

// AppendDataHeader appends the DataHeaderLen bytes in front of a ciphertext.
func AppendDataHeader(dst []byte, receiver uint32, counter uint64) []byte {
	return appendU64(appendU32(dst, receiver), counter)
}

// ParseDataBody reads the body that fills b. Sealed aliases b, holds at least a
// tag, and may be opened in place. It does not allocate.
func ParseDataBody(b []byte) (DataBody, error) {
	if len(b) < DataHeaderLen+TagLen {
		return DataBody{}, ErrShort
	}
	return DataBody{
		Receiver: binary.BigEndian.Uint32(b), Counter: binary.BigEndian.Uint64(b[4:]),
		Sealed: b[DataHeaderLen:len(b):len(b)],
	}, nil
}
