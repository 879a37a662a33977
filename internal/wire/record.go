package wire

// RecordKind says what the body of a record is. One byte.
type RecordKind uint8

// The kinds of records.
const (
	RecordContact    RecordKind = 1 // how to reach its signer (Contact)
	RecordAttachment RecordKind = 2 // at which relays a leaf is (Attachment)
	RecordTopic      RecordKind = 3 // that its signer takes part in a topic (Topic)
)

// String returns "contact", "attachment", "topic" or "unknown".
func (k RecordKind) String() string {
	switch k {
	case RecordContact:
		return "contact"
	case RecordAttachment:
		return "attachment"
	case RecordTopic:
		return "topic"
	}
	return "unknown"
}

// Sizes of records in bytes.
const (
	RecordOverhead = 1 + 1 + 32 + 8 + 2 + 64        // a record with an empty body
	MaxRecordBody  = maxContactLen                  // the longest body is that of a contact
	MaxRecordLen   = RecordOverhead + maxContactLen // the longest record
)

// Record is a signed record.
//
//	offset  size  field
//	0       1     version, 1
//	1       1     kind: 1 contact, 2 attachment, 3 topic
//	2       32    identity key of the signer (Ed25519)
//	34      8     sequence: Unix milliseconds at signing, at least the last one + 1
//	42      2     life in seconds; 0 withdraws
//	44      n     body, 0 to 2,069 bytes
//	44+n    64    signature over SignedPart
//
// A record does not tell its own length: what carries it does.
type Record struct {
	Version  uint8
	Kind     RecordKind
	Public   [32]byte
	Sequence uint64
	TTL      uint16 // seconds
	Body     []byte
	Sig      [64]byte
}

// AppendRecord appends v.
func AppendRecord(dst []byte, v *Record) []byte {
	return append(v.appendClaims(dst), v.Sig[:]...)
}

// ParseRecord reads the record that fills b. It neither verifies the signature
// (package identity does) nor looks into the body, which aliases b.
func ParseRecord(b []byte) (Record, error) {
	if len(b) > MaxRecordLen {
		return Record{}, ErrTooLong
	}
	r := reader{b: b}
	v := Record{Version: r.u8(), Kind: RecordKind(r.u8())}
	r.require(v.Version == Version, ErrVersion)
	r.require(v.Kind >= RecordContact && v.Kind <= RecordTopic, ErrType)
	r.fill(v.Public[:])
	v.Sequence, v.TTL = r.u64(), r.u16()
	r.require(len(r.b) >= len(v.Sig), ErrShort)
	v.Body = r.take(max(0, len(r.b)-len(v.Sig)))
	r.fill(v.Sig[:])
	return finish(&r, v)
}

// SignedPart returns what the signature covers: label, then all of the record
// in front of the signature.
func (v *Record) SignedPart(label string) []byte {
	b := make([]byte, 0, len(label)+RecordOverhead+len(v.Body))
	return v.appendClaims(append(b, label...))
}

func (v *Record) appendClaims(dst []byte) []byte {
	dst = append(append(dst, v.Version, byte(v.Kind)), v.Public[:]...)
	dst = appendU16(appendU64(dst, v.Sequence), v.TTL)
	return append(dst, v.Body...)
}
