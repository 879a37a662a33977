package wire

import "encoding/binary"

// reader walks over the bytes of a control body. The first refusal sticks and
// every read after it returns zeros, so that a parser checks once, in end.
type reader struct {
	b   []byte
	bad *Error
}

func (r *reader) fail(e *Error) {
	if r.bad == nil {
		r.bad = e
	}
	r.b = nil
}

// require refuses with e unless ok.
func (r *reader) require(ok bool, e *Error) {
	if !ok {
		r.fail(e)
	}
}

// take returns the next n bytes, or nil.
func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.fail(ErrShort)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// rest returns all that is left.
func (r *reader) rest() []byte { return r.take(len(r.b)) }

// fill copies the next len(dst) bytes.
func (r *reader) fill(dst []byte) { copy(dst, r.take(len(dst))) }

func (r *reader) u8() uint8 {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) id() (id ID) {
	r.fill(id[:])
	return id
}

// count reads a one-byte count of at most most.
func (r *reader) count(most int) int {
	n := int(r.u8())
	if n > most {
		r.fail(ErrCount)
		return 0
	}
	return n
}

// ids reads count u8 and as many IDs; none is nil.
func (r *reader) ids(most int) []ID {
	n := r.count(most)
	if n == 0 || len(r.b) < n*idLen {
		r.require(n == 0, ErrShort)
		return nil
	}
	v := make([]ID, n)
	for i := range v {
		v[i] = r.id()
	}
	return v
}

// records reads count u8 and as many { length u16, record }; none is nil.
func (r *reader) records(most int) [][]byte {
	n := r.count(most)
	if n == 0 || len(r.b) < n*(2+RecordOverhead) {
		r.require(n == 0, ErrShort)
		return nil
	}
	v := make([][]byte, 0, n)
	for range n {
		v = append(v, r.record(int(r.u16())))
	}
	return v
}

// record reads a record of n bytes, of which only the length is checked.
func (r *reader) record(n int) []byte {
	if n < RecordOverhead || n > MaxRecordLen {
		r.fail(ErrLength)
		return nil
	}
	return r.take(n)
}

// text reads n bytes of clean text.
func (r *reader) text(n int) string {
	b := r.take(n)
	if !cleanText(b) {
		r.fail(ErrText)
		return ""
	}
	return string(b)
}

// end returns the first refusal, or ErrTrailing when bytes are left.
func (r *reader) end() error {
	if r.bad != nil {
		return r.bad
	}
	if len(r.b) > 0 {
		return ErrTrailing
	}
	return nil
}

// finish returns what was read, or the zero value beside an error.
func finish[T any](r *reader, v T) (T, error) {
	if err := r.end(); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

func appendIDs(dst []byte, ids []ID) []byte {
	dst = append(dst, byte(len(ids)))
	for i := range ids {
		dst = append(dst, ids[i][:]...)
	}
	return dst
}

func appendRecords(dst []byte, records [][]byte) []byte {
	dst = append(dst, byte(len(records)))
	for _, b := range records {
		dst = append(appendU16(dst, uint16(len(b))), b...)
	}
	return dst
}
