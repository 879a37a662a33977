package wire

// HintLen is the length of a Hint in bytes.
const HintLen = 38

// Hint is the body of a Hint frame: it tells the source of a frame what became
// of it. Anybody can forge one, so it counts only if the echo fits something
// that was sent.
//
//	offset  size  field
//	0       1     reason, a number of internal/reason, not 0
//	1       1     type of the frame: 1 Data, 2 Handshake, 3 Nearest, 4 Probe
//	2       20    its destination
//	22      16    echo: the first 16 bytes of its body, zeros behind a shorter one
type Hint struct {
	Reason uint8
	Type   Type
	Dst    ID
	Echo   [16]byte
}

// AppendHint appends the HintLen bytes of v.
func AppendHint(dst []byte, v *Hint) []byte {
	dst = append(append(dst, v.Reason, byte(v.Type)), v.Dst[:]...)
	return append(dst, v.Echo[:]...)
}

// ParseHint reads the Hint that fills b. It does not allocate.
func ParseHint(b []byte) (Hint, error) {
	r := reader{b: b}
	v := Hint{Reason: r.u8(), Type: Type(r.u8()), Dst: r.id()}
	r.fill(v.Echo[:])
	r.require(v.Reason != 0, ErrValue)
	r.require(v.Type >= TypeData && v.Type <= TypeProbe, ErrType)
	return finish(&r, v)
}

// Echo returns what a Hint about a frame with this body echoes.
func Echo(body []byte) (e [16]byte) {
	copy(e[:], body)
	return e
}
