package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"sync/atomic"
)

const (
	tagLen        = 16
	lengthLen     = 2  // before each frame in a record
	headerLen     = 43 // of a frame
	dataHeaderLen = 12 // index and counter
	plainLen      = 5  // kind and ports
	adLen         = 42 // type, class, dst, src
	dataAt        = headerLen + dataHeaderLen + plainLen

	typeData  = 1
	classBulk = 3
	classMask = 3
	hopLimit  = 64
)

// name is a fixed 20-byte address.
type name [20]byte

var nameA, nameC = name{'A'}, name{'C'}

var errFrame = errors.New("bad frame")

// box is one direction of an AEAD. The nonce lives here because a local one
// would escape through the interface. One goroutine at a time.
type box struct {
	aead  cipher.AEAD
	nonce [12]byte
	count uint64
}

func newBox() box {
	block, err := aes.NewCipher([]byte("a fixed key of 32 bytes, no more"))
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block size is right
	}
	return box{aead: aead}
}

// seal encrypts b in place by the next counter; b needs [tagLen] bytes of room.
func (b *box) seal(text []byte) []byte {
	binary.BigEndian.PutUint64(b.nonce[4:], b.count)
	b.count++
	return b.aead.Seal(text[:0], b.nonce[:], text, nil)
}

// open decrypts in place what seal made.
func (b *box) open(text []byte) ([]byte, error) {
	binary.BigEndian.PutUint64(b.nonce[4:], b.count)
	b.count++
	return b.aead.Open(text[:0], b.nonce[:], text, nil)
}

// session is the end-to-end state of one end with the other. One goroutine
// seals, one opens.
type session struct {
	self       name
	send       box
	counter    atomic.Uint64
	frame      []byte // length and frame being made; begins with what never changes
	sendAD     [adLen]byte
	recv       box
	recvAD     [adLen]byte
	lastOpened uint64
}

func newSession(self, peer name) *session {
	s := &session{self: self, send: newBox(), recv: newBox()}
	header := [lengthLen + headerLen]byte{lengthLen: typeData, lengthLen + 1: classBulk, lengthLen + 2: hopLimit}
	copy(header[lengthLen+3:], peer[:])
	copy(header[lengthLen+23:], self[:])
	s.frame = append(s.frame, header[:]...)
	appendAD(&s.sendAD, header[lengthLen:])
	return s
}

// appendAD fills ad with what the end-to-end seal covers of the header.
func appendAD(ad *[adLen]byte, frame []byte) {
	ad[0], ad[1] = frame[0], frame[1]&classMask
	copy(ad[2:], frame[3:headerLen])
}

// seal returns data as one frame with its length before it, valid until the
// next call.
func (s *session) seal(data []byte) []byte {
	n := dataAt + len(data) + tagLen
	counter := s.counter.Add(1)
	b := append(s.frame[:lengthLen+headerLen], 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint64(b, counter)
	sealed := len(b)
	b = append(b, 1, 0, 0, 0, 0)
	b = append(b, data...)
	binary.BigEndian.PutUint16(b, uint16(n))
	binary.BigEndian.PutUint64(s.send.nonce[4:], counter)
	b = s.send.aead.Seal(b[:sealed], s.send.nonce[:], b[sealed:], s.sendAD[:])
	s.frame = b
	return b
}

// open decrypts a frame in place and returns the data.
func (s *session) open(frame []byte) ([]byte, error) {
	if len(frame) < dataAt+tagLen || frame[0] != typeData {
		return nil, errFrame
	}
	counter := binary.BigEndian.Uint64(frame[headerLen+4:])
	if counter <= s.lastOpened {
		return nil, errFrame
	}
	appendAD(&s.recvAD, frame)
	binary.BigEndian.PutUint64(s.recv.nonce[4:], counter)
	sealed := frame[headerLen+dataHeaderLen:]
	plain, err := s.recv.aead.Open(sealed[:0], s.recv.nonce[:], sealed, s.recvAD[:])
	if err != nil {
		return nil, err
	}
	s.lastOpened = counter
	return plain[plainLen:], nil
}
