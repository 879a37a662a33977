package wire

import (
	"strings"
	"unicode/utf8"
)

// cleanText reports whether b is UTF-8 without control characters (below
// U+0020 and U+007F to U+009F), so that text of a remote peer can be printed.
func cleanText(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if (c == utf8.RuneError && n <= 1) || isControl(c) {
			return false
		}
		b = b[n:]
	}
	return true
}

func isControl(c rune) bool { return c < 0x20 || (c >= 0x7f && c <= 0x9f) }

// CleanText returns s as text that parsers of this package accept: control
// characters and bytes that are not UTF-8 become '?', and what is beyond most
// bytes is cut off between two characters.
func CleanText(s string, most int) string {
	s = strings.Map(func(c rune) rune {
		if isControl(c) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
