package wire

// RecordCopy is the link frame by which a holder of a record gives it to a
// fellow holder.
//
//	offset  size  field
//	0       1     0x84
//	1       2     life that remains, in seconds
//	3       ..    record, to the end
type RecordCopy struct {
	Remaining uint16 // seconds
	Record    []byte // a whole record; only its length is checked
}

// AppendLinkRecord appends v.
func AppendLinkRecord(dst []byte, v *RecordCopy) []byte {
	return append(appendU16(append(dst, byte(LinkRecord)), v.Remaining), v.Record...)
}

// ParseLinkRecord reads the RecordCopy that fills b.
func ParseLinkRecord(b []byte) (RecordCopy, error) {
	r := linkReader(b, LinkRecord)
	v := RecordCopy{Remaining: r.u16()}
	v.Record = r.record(len(r.b))
	return finish(&r, v)
}

// Held is the link frame by which a home answers its leaf's Record: it holds the
// attachment record of that sequence, or says why it does not.
//
//	offset  size  field
//	0       1     0x89
//	1       8     sequence of the record
//	9       1     reason: 0, it is held, or a number of internal/reason
type Held struct {
	Sequence uint64
	Reason   uint8
}

// AppendHeld appends v.
func AppendHeld(dst []byte, v Held) []byte {
	return append(appendU64(append(dst, byte(LinkHeld)), v.Sequence), v.Reason)
}

// ParseHeld reads the Held that fills b. It does not allocate.
func ParseHeld(b []byte) (Held, error) {
	r := linkReader(b, LinkHeld)
	v := Held{Sequence: r.u64(), Reason: r.u8()}
	return finish(&r, v)
}

// MaxNodes bounds the contact records in one answer: the bucket size that
// Kademlia papers and kbucket use.
const MaxNodes = 20

// FindNode is the link frame that asks a neighbour for contact records.
//
//	offset  size  field
//	0       1     0x87
//	1       32    target Key
//	33      1     count wanted, 1 to 20
type FindNode struct {
	Target Key
	Count  uint8
}

// AppendFindNode appends v.
func AppendFindNode(dst []byte, v *FindNode) []byte {
	dst = append(append(dst, byte(LinkFindNode)), v.Target[:]...)
	return append(dst, v.Count)
}

// ParseFindNode reads the FindNode that fills b.
func ParseFindNode(b []byte) (FindNode, error) {
	r := linkReader(b, LinkFindNode)
	var v FindNode
	r.fill(v.Target[:])
	v.Count = r.u8()
	r.require(v.Count >= 1 && v.Count <= MaxNodes, ErrCount)
	return finish(&r, v)
}

// Nodes is the link frame that answers a FindNode.
//
//	offset  size  field
//	0       1     0x88
//	1       1     count, 0 to 20
//	2       ..    count × { length u16, contact record }, the nearest first
type Nodes struct {
	Records [][]byte // whole records; only their length is checked
}

// AppendNodes appends v.
func AppendNodes(dst []byte, v *Nodes) []byte {
	return appendRecords(append(dst, byte(LinkNodes)), v.Records)
}

// ParseNodes reads the Nodes that fills b.
func ParseNodes(b []byte) (Nodes, error) {
	r := linkReader(b, LinkNodes)
	v := Nodes{Records: r.records(MaxNodes)}
	return finish(&r, v)
}
