package wire

// AnswerKind says what an Answer tells. One byte.
type AnswerKind uint8

// The kinds of answers. 2 was one to a Store, which has no answer; 5 is reserved.
const (
	AnswerNodes  AnswerKind = 1 // to FindNode
	AnswerProbe  AnswerKind = 3 // to a Probe
	AnswerRecord AnswerKind = 4 // to a Handshake of kind 1: the attachment record that it was forwarded by
)

// LinkKind names the carrier of a link in an answer to a Probe. One byte.
type LinkKind uint8

// The kinds of links.
const (
	LinkKindNone   LinkKind = 0 // the frame did not come over a link
	LinkKindWS     LinkKind = 1
	LinkKindWebRTC LinkKind = 2
	LinkKindMemory LinkKind = 3
)

// String returns the name of k as the transports spell it, or "none".
func (k LinkKind) String() string {
	switch k {
	case LinkKindWS:
		return "ws"
	case LinkKindWebRTC:
		return "webrtc"
	case LinkKindMemory:
		return "mem"
	}
	return "none"
}

// AnswerBody is the body of an Answer frame.
//
//	offset  size  field
//	0       16    nonce of the Nearest or Probe; of a Handshake the first 16 bytes of its body
//	16      1     kind: 1 nodes, 3 probe, 4 record
//	17      ..    nodes   count u8 (0 to 20), count × { length u16, contact record }
//	              probe   ProbeReport
//	              record  a record, to the end
type AnswerBody struct {
	Nonce [NonceLen]byte
	Kind  AnswerKind

	Records [][]byte    // AnswerNodes: whole records; only their length is checked
	Probe   ProbeReport // AnswerProbe
	Record  []byte      // AnswerRecord: a whole record; only its length is checked
}

// ProbeReport tells where a Probe ended.
//
//	offset  size  field
//	0       20    ID of the node
//	20      1     kind of the link it came in by: 0 none, 1 ws, 2 webrtc, 3 memory; others may be added
//	21      4     bytes queued on the link toward the target, or on the ingress link at the target
//	25      1     hop limit as it arrived, 0 to 64
type ProbeReport struct {
	ID         ID
	LinkKind   LinkKind
	QueueBytes uint32
	HopLimit   uint8
}

// AnswerProbeLen is the length of an AnswerBody of kind AnswerProbe, and so the
// least length of a ProbeBody that can be answered.
const AnswerProbeLen = NonceLen + 1 + idLen + 1 + 4 + 1

// AppendAnswerBody appends v: the fields of its kind.
func AppendAnswerBody(dst []byte, v *AnswerBody) []byte {
	dst = append(append(dst, v.Nonce[:]...), byte(v.Kind))
	switch v.Kind {
	case AnswerNodes:
		return appendRecords(dst, v.Records)
	case AnswerProbe:
		p := &v.Probe
		dst = append(append(dst, p.ID[:]...), byte(p.LinkKind))
		return append(appendU32(dst, p.QueueBytes), p.HopLimit)
	case AnswerRecord:
		return append(dst, v.Record...)
	}
	return dst
}

// ParseAnswerBody reads the body that fills b.
func ParseAnswerBody(b []byte) (AnswerBody, error) {
	r := reader{b: b}
	var v AnswerBody
	r.fill(v.Nonce[:])
	v.Kind = AnswerKind(r.u8())
	switch v.Kind {
	case AnswerNodes:
		v.Records = r.records(MaxNodes)
	case AnswerProbe:
		v.Probe = ProbeReport{ID: r.id(), LinkKind: LinkKind(r.u8()), QueueBytes: r.u32(), HopLimit: r.u8()}
		r.require(v.Probe.HopLimit <= MaxHopLimit, ErrHopLimit)
	case AnswerRecord:
		v.Record = r.record(len(r.b))
	default:
		r.fail(ErrType)
	}
	return finish(&r, v)
}
