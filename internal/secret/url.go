package secret

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// URL is a URL, or the text of an ICE server such as turn:user:password@host, right
// or wrong, as a user gave it. It prints masked. Values compare as their texts do.
//
// A field of this type has to be exported: fmt prints what it cannot reach without
// asking it how. A test of internal/arch looks after that.
type URL string

// Reveal returns the text as it was given. It is for dialling, and never for output.
func (u URL) Reveal() string { return string(u) }

// String returns the text with "***" in the place of what is secret.
func (u URL) String() string { return mask(string(u)) }

// GoString is String in quotes.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// Format prints String by any verb: as %q and %x quote or encode it.
func (u URL) Format(f fmt.State, verb rune) {
	switch verb {
	case 'v':
		if f.Flag('#') {
			io.WriteString(f, u.GoString())
			return
		}
		fmt.Fprintf(f, plain(f, 's'), u.String())
	case 's', 'q', 'x', 'X':
		fmt.Fprintf(f, plain(f, verb), u.String())
	default:
		fmt.Fprintf(f, "%%!%c(secret.URL=%s)", verb, u.String())
	}
}

// plain is the directive of f for a string, without the flag for Go syntax of %v.
func plain(f fmt.State, verb rune) string { return fmt.FormatString(f, verb) }

// MarshalText returns String.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText takes a text as it is, masked or not.
func (u *URL) UnmarshalText(text []byte) error {
	*u = URL(text)
	return nil
}

// MarshalJSON returns String as JSON.
func (u URL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// LogValue returns String.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Strings returns the masked texts of a list.
func Strings(texts []string) []string {
	masked := make([]string, len(texts))
	for i, text := range texts {
		masked[i] = URL(text).String()
	}
	return masked
}
