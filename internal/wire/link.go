package wire

// LinkType is the first byte of a frame between two neighbours: 0x80 or more,
// so that it is never the Type of a mesh frame.
type LinkType uint8

// The link frames. 0x85 was one of guests; 0x8B is reserved.
const (
	LinkPing     LinkType = 0x80 // asks for a Pong
	LinkPong     LinkType = 0x81 // answers a Ping
	LinkAck      LinkType = 0x82 // tells what was taken (Taken)
	LinkBye      LinkType = 0x83 // ends the link (Bye)
	LinkRecord   LinkType = 0x84 // a record for a fellow holder (RecordCopy)
	LinkPeers    LinkType = 0x86 // the relay links of the sender (Peers)
	LinkFindNode LinkType = 0x87 // asks for contact records (FindNode)
	LinkNodes    LinkType = 0x88 // answers a FindNode (Nodes)
	LinkHeld     LinkType = 0x89 // a home holds the record of its leaf
	LinkPiece    LinkType = 0x8A // a part of a long mesh frame (Piece)
)

var linkNames = map[LinkType]string{
	LinkPing: "ping", LinkPong: "pong", LinkAck: "ack", LinkBye: "bye", LinkRecord: "record", LinkPeers: "peers",
	LinkFindNode: "find-node", LinkNodes: "nodes", LinkHeld: "held", LinkPiece: "piece",
}

// String returns the lower-case name of t, or "unknown".
func (t LinkType) String() string {
	if name, ok := linkNames[t]; ok {
		return name
	}
	return "unknown"
}

// IsLink reports whether b, one frame of a batch, is a link frame. The frame is
// not checked further.
func IsLink(b []byte) bool { return len(b) > 0 && b[0] >= 0x80 }

// linkReader returns a reader behind the type byte, which must be t.
func linkReader(b []byte, t LinkType) reader {
	r := reader{b: b}
	r.require(LinkType(r.u8()) == t, ErrType)
	return r
}

// AppendPing appends a Ping.
//
//	offset  size  field
//	0       1     0x80
//	1       8     nonce, to be found in the Pong
func AppendPing(dst []byte, nonce [8]byte) []byte {
	return append(append(dst, byte(LinkPing)), nonce[:]...)
}

// ParsePing reads a Ping and returns its nonce. It does not allocate.
func ParsePing(b []byte) (nonce [8]byte, err error) { return parseNonce(b, LinkPing) }

// AppendPong appends a Pong.
//
//	offset  size  field
//	0       1     0x81
//	1       8     nonce of the Ping
func AppendPong(dst []byte, nonce [8]byte) []byte {
	return append(append(dst, byte(LinkPong)), nonce[:]...)
}

// ParsePong reads a Pong and returns its nonce. It does not allocate.
func ParsePong(b []byte) (nonce [8]byte, err error) { return parseNonce(b, LinkPong) }

func parseNonce(b []byte, t LinkType) (nonce [8]byte, err error) {
	r := linkReader(b, t)
	r.fill(nonce[:])
	return finish(&r, nonce)
}

// Taken is what the sender of an Ack has taken since the link began: the mesh
// frames of classes 0 to 2, and the bytes of all carrier messages up to the last
// one that it has dealt with, whatever was in them.
type Taken struct {
	Count uint64
	Bytes uint64
}

// AppendLinkAck appends an Ack.
//
//	offset  size  field
//	0       1     0x82
//	1       8     count
//	9       8     bytes
func AppendLinkAck(dst []byte, t Taken) []byte {
	return appendU64(appendU64(append(dst, byte(LinkAck)), t.Count), t.Bytes)
}

// ParseLinkAck reads an Ack. It does not allocate.
func ParseLinkAck(b []byte) (t Taken, err error) {
	r := linkReader(b, LinkAck)
	t.Count, t.Bytes = r.u64(), r.u64()
	return finish(&r, t)
}

// Bounds of a Bye.
const (
	MaxByeText     = 128 // bytes of its text
	MaxByeContacts = 8   // records in it
)

// Bye ends a link and says why. It is not signed and counts on its own link only.
//
//	offset  size  field
//	0       1     0x83
//	1       1     reason, a number of internal/reason
//	2       1     n, length of the text, 0 to 128
//	3       n     text for people: UTF-8 without control characters
//	3+n     1     count, 0 to 8
//	4+n     ..    count × { length u16, contact record }: where to go instead
type Bye struct {
	Reason   uint8
	Text     string
	Contacts [][]byte // whole records; only their length is checked
}

// AppendBye appends v. A text that is too long or not clean is made fit (CleanText).
func AppendBye(dst []byte, v *Bye) []byte {
	text := CleanText(v.Text, MaxByeText)
	dst = append(dst, byte(LinkBye), v.Reason, byte(len(text)))
	return appendRecords(append(dst, text...), v.Contacts)
}

// ParseBye reads the Bye that fills b.
func ParseBye(b []byte) (Bye, error) {
	r := linkReader(b, LinkBye)
	v := Bye{Reason: r.u8(), Text: r.text(r.count(MaxByeText)), Contacts: r.records(MaxByeContacts)}
	return finish(&r, v)
}
