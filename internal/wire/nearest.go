package wire

// NonceLen is the number of random bytes that begin the body of a Nearest and
// of a Probe. An Answer repeats them; a Hint echoes as many bytes of any body.
const NonceLen = 16

// Op says what a Nearest frame asks for. One byte.
type Op uint8

// The operations. 3 is reserved.
const (
	OpFindNode Op = 1 // contact records of nodes near the target
	OpStore    Op = 2 // keep this record
)

// NearestBody is the body of a Nearest frame.
//
//	offset  size  field
//	0       16    nonce, random
//	16      32    target Key
//	48      1     operation: 1 FindNode, 2 Store
//	49      ..    FindNode: padding, zeros; the Answer is never longer than the request
//	              Store: a record, to the end
type NearestBody struct {
	Nonce  [NonceLen]byte
	Target Key
	Op     Op
	Rest   []byte // padding or a whole record, of which only the length is checked
}

// NearestHeaderLen is the length of a NearestBody without its Rest.
const NearestHeaderLen = NonceLen + 32 + 1

// AppendNearestBody appends v.
func AppendNearestBody(dst []byte, v *NearestBody) []byte {
	dst = append(append(dst, v.Nonce[:]...), v.Target[:]...)
	return append(append(dst, byte(v.Op)), v.Rest...)
}

// ParseNearestBody reads the body that fills b. Rest aliases b.
func ParseNearestBody(b []byte) (NearestBody, error) {
	r := reader{b: b}
	var v NearestBody
	r.fill(v.Nonce[:])
	r.fill(v.Target[:])
	v.Op = Op(r.u8())
	switch v.Op {
	case OpFindNode:
		v.Rest = r.rest()
	case OpStore:
		v.Rest = r.record(len(r.b))
	default:
		r.fail(ErrType)
	}
	return finish(&r, v)
}

// ProbeBody is the body of a Probe frame.
//
//	offset  size  field
//	0       16    nonce, random
//	16      ..    padding, zeros; the Answer is never longer than the request
type ProbeBody struct {
	Nonce   [NonceLen]byte
	Padding []byte
}

// AppendProbeBody appends v.
func AppendProbeBody(dst []byte, v *ProbeBody) []byte {
	return append(append(dst, v.Nonce[:]...), v.Padding...)
}

// ParseProbeBody reads the body that fills b. Padding aliases b.
func ParseProbeBody(b []byte) (ProbeBody, error) {
	r := reader{b: b}
	var v ProbeBody
	r.fill(v.Nonce[:])
	v.Padding = r.rest()
	return finish(&r, v)
}
