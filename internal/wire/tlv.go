package wire

// Hello and HandshakePayload are lists of tagged fields:
//
//	{ tag u8, length u16, value of so many bytes } any number of times
//
// in strictly rising order of their tags, so that none comes twice. Fields
// with an unknown tag are skipped. A field that is absent means its zero
// value, and a zero value is written as an absent field.

// fields calls f for each field that fills b until the first refusal.
func fields(b []byte, f func(tag uint8, r *reader)) error {
	r := reader{b: b}
	for last := -1; len(r.b) > 0; {
		tag := r.u8()
		value := r.take(int(r.u16()))
		r.require(int(tag) > last, ErrOrder)
		if r.bad != nil {
			break
		}
		last = int(tag)
		field := reader{b: value}
		f(tag, &field)
		if err := field.end(); err != nil {
			return err
		}
	}
	return r.end()
}

// appendField appends a field unless its value is empty.
func appendField(dst []byte, tag uint8, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return append(appendTag(dst, tag, len(value)), value...)
}

func appendTag(dst []byte, tag uint8, n int) []byte {
	return appendU16(append(dst, tag), uint16(n))
}

// appendText is appendField for a string.
func appendText(dst []byte, tag uint8, s string) []byte {
	if s == "" {
		return dst
	}
	return append(appendTag(dst, tag, len(s)), s...)
}

func appendInstance(dst []byte, tag uint8, v Instance) []byte {
	if v == (Instance{}) {
		return dst
	}
	return append(appendTag(dst, tag, len(v)), v[:]...)
}

// skip takes the whole field.
func (r *reader) skip() { r.b = nil }

// exactly takes the whole field, which must be n bytes long.
func (r *reader) exactly(n int) []byte {
	if len(r.b) != n {
		r.fail(ErrLength)
		return nil
	}
	return r.take(n)
}

// instance takes a whole field of 8 bytes.
func (r *reader) instance() (v Instance) {
	r.fill(v[:])
	return v
}

// shortText takes the whole field as clean text of at most most bytes.
func (r *reader) shortText(most int) string {
	if len(r.b) > most {
		r.fail(ErrTooLong)
		return ""
	}
	return r.text(len(r.b))
}
