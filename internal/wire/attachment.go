package wire

// MaxHomes bounds the homes of one leaf.
const MaxHomes = 4

// Attachment is the body of an attachment record: at which relays the leaf
// that signed it is to be found.
//
//	offset  size  field
//	0       20    ID of the leaf: of the signer
//	20      1     count, 0 to 4
//	21      ..    count × ID of a home
type Attachment struct {
	Leaf  ID
	Homes []ID
}

// AppendAttachment appends v.
func AppendAttachment(dst []byte, v *Attachment) []byte {
	return appendIDs(append(dst, v.Leaf[:]...), v.Homes)
}

// ParseAttachment reads the attachment body that fills b.
func ParseAttachment(b []byte) (Attachment, error) {
	r := reader{b: b}
	v := Attachment{Leaf: r.id(), Homes: r.ids(MaxHomes)}
	return finish(&r, v)
}
