package wire

import "strings"

// Bounds of a contact body.
const (
	MaxContactURLs     = 8   // URLs in a contact
	MaxContactURLBytes = 256 // bytes of one of them

	maxContactLen = 5 + MaxContactURLs*(2+MaxContactURLBytes)
)

// Contact is the body of a contact record: how to reach its signer.
//
//	offset  size  field
//	0       1     role: 1 relay, 2 leaf
//	1       1     bit 0: speaks WebRTC; bits 1-7 zero
//	2       2     UDP port that answers STUN, 0: none
//	4       1     count, 0 to 8
//	5       ..    count × { length u16 (1 to 256), URL in printable ASCII without spaces }
type Contact struct {
	Role   Role
	WebRTC bool
	STUN   uint16
	URLs   []string
}

// AppendContact appends v.
func AppendContact(dst []byte, v *Contact) []byte {
	var flags byte
	if v.WebRTC {
		flags = 1
	}
	dst = appendU16(append(dst, byte(v.Role), flags), v.STUN)
	dst = append(dst, byte(len(v.URLs)))
	for _, u := range v.URLs {
		dst = append(appendU16(dst, uint16(len(u))), u...)
	}
	return dst
}

// ParseContact reads the contact body that fills b. The URLs are clean text
// but have not been looked at as URLs.
func ParseContact(b []byte) (Contact, error) {
	r := reader{b: b}
	v := Contact{Role: Role(r.u8())}
	r.require(v.Role.valid(), ErrValue)
	flags := r.u8()
	r.require(flags <= 1, ErrFlags)
	v.WebRTC, v.STUN = flags == 1, r.u16()
	v.URLs = r.urls()
	return finish(&r, v)
}

// url reads { length u16, URL }.
func (r *reader) url() string {
	n := int(r.u16())
	if n == 0 || n > MaxContactURLBytes {
		r.fail(ErrLength)
		return ""
	}
	s := string(r.take(n))
	r.require(!strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f }), ErrText)
	return s
}
