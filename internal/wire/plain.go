package wire

import "encoding/binary"

// Kinds of plaintexts: the first byte of what Data frames seal.
const (
	PlainDatagram = 1 // data that may be lost; the data follows the header
	PlainMessage  = 2 // acknowledged data (MessageBody)
	PlainAck      = 3 // which messages arrived (AckBody)
	PlainRefusal  = 4 // a message that was not taken (RefusalBody)
	PlainRequest  = 5 // a message that wants a response (MessageBody)
	PlainResponse = 6 // a message that answers a request (ResponseBody)
	PlainHomes    = 7 // a message of the mesh itself: new homes of the sender (HomesBody)
	PlainBundle   = 8 // several datagrams from one port to another (CheckBundle)
)

// PlainHeaderLen is the length of a PlainHeader in bytes.
const PlainHeaderLen = 5

// PlainHeader begins every plaintext.
//
//	offset  size  field
//	0       1     kind: 1 datagram, 2 message, 3 ack, 4 refusal, 5 request, 6 response, 7 homes,
//	              8 bundle
//	1       2     destination port; 0 where the kind has no use for one
//	3       2     source port, the same
//	5       ..    body of the kind; of a datagram: 0 to 60,000 bytes of data
type PlainHeader struct {
	Kind             uint8
	DstPort, SrcPort uint16
}

// AppendPlainHeader appends the PlainHeaderLen bytes of h.
func AppendPlainHeader(dst []byte, h PlainHeader) []byte {
	return appendU16(appendU16(append(dst, h.Kind), h.DstPort), h.SrcPort)
}

// ParsePlainHeader reads the header of the plaintext b and returns the body
// behind it, which aliases b. The body of a datagram is its data and is
// checked; that of any other kind has a parser of its own. It does not
// allocate.
func ParsePlainHeader(b []byte) (h PlainHeader, body []byte, err error) {
	if len(b) < PlainHeaderLen {
		return h, nil, ErrShort
	}
	h = PlainHeader{Kind: b[0], DstPort: binary.BigEndian.Uint16(b[1:]), SrcPort: binary.BigEndian.Uint16(b[3:])}
	body = b[PlainHeaderLen:len(b):len(b)]
	switch {
	case h.Kind < PlainDatagram || h.Kind > PlainBundle:
		return PlainHeader{}, nil, ErrType
	case h.Kind == PlainDatagram && len(body) > MaxMessage:
		return PlainHeader{}, nil, ErrTooLong
	}
	return h, body, nil
}

// MessageWindow is how far a message id may be above the lowest unacked one:
// a receiver keeps one bit for each.
const MessageWindow = 32_768

// MessageIDsLen is the length of the ids in front of the data of a message.
const MessageIDsLen = 16

// checkIDs holds the rule for the ids of a message: lowest ≤ id < lowest + MessageWindow.
func checkIDs(id, lowest uint64) bool { return lowest <= id && id-lowest < MessageWindow }

// MessageBody is the body of a message or a request, behind the PlainHeader.
//
//	offset  size  field
//	0       8     id, counted by the sender
//	8       8     lowest id that the sender has no ack for: at most id, and id is less than 32,768 above it
//	16      ..    data, 0 to 60,000 bytes
type MessageBody struct {
	ID, Lowest uint64
	Data       []byte
}

// AppendMessageBody appends v.
func AppendMessageBody(dst []byte, v *MessageBody) []byte {
	return append(appendU64(appendU64(dst, v.ID), v.Lowest), v.Data...)
}

// ParseMessageBody reads the body that fills b. Data aliases b. It does not
// allocate.
func ParseMessageBody(b []byte) (MessageBody, error) {
	if len(b) < MessageIDsLen {
		return MessageBody{}, ErrShort
	}
	v := MessageBody{
		ID: binary.BigEndian.Uint64(b), Lowest: binary.BigEndian.Uint64(b[8:]),
		Data: b[MessageIDsLen:len(b):len(b)],
	}
	switch {
	case len(v.Data) > MaxMessage:
		return MessageBody{}, ErrTooLong
	case !checkIDs(v.ID, v.Lowest):
		return MessageBody{}, ErrValue
	}
	return v, nil
}

// ResponseBody is the body of a response, behind the PlainHeader. A response
// is a message of its own that names the request it answers.
//
//	offset  size  field
//	0       8     id, counted by the sender
//	8       8     lowest id that the sender has no ack for, as in MessageBody
//	16      8     id of the request
//	24      ..    data, 0 to 60,000 bytes
type ResponseBody struct {
	ID, Lowest uint64
	Request    uint64
	Data       []byte
}

// AppendResponseBody appends v.
func AppendResponseBody(dst []byte, v *ResponseBody) []byte {
	return append(appendU64(appendU64(appendU64(dst, v.ID), v.Lowest), v.Request), v.Data...)
}

// ParseResponseBody reads the body that fills b. Data aliases b. It does not
// allocate.
func ParseResponseBody(b []byte) (ResponseBody, error) {
	const head = MessageIDsLen + 8
	if len(b) < head {
		return ResponseBody{}, ErrShort
	}
	v := ResponseBody{
		ID: binary.BigEndian.Uint64(b), Lowest: binary.BigEndian.Uint64(b[8:]),
		Request: binary.BigEndian.Uint64(b[16:]), Data: b[head:len(b):len(b)],
	}
	switch {
	case len(v.Data) > MaxMessage:
		return ResponseBody{}, ErrTooLong
	case !checkIDs(v.ID, v.Lowest):
		return ResponseBody{}, ErrValue
	}
	return v, nil
}
