package routing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

const sampleText = "000102030405060708090a0b0c0d0e0f10111213"

var sampleID = ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}

func TestParseID(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     ID
		ok       bool
	}{
		{"lower case", sampleText, sampleID, true},
		{"upper case", strings.ToUpper(sampleText), sampleID, true},
		{"zero", strings.Repeat("0", 40), ID{}, true},
		{"empty", "", ID{}, false},
		{"short form", sampleText[:8], ID{}, false},
		{"one digit less", sampleText[1:], ID{}, false},
		{"one digit more", sampleText + "0", ID{}, false},
		{"a Key", strings.Repeat("ab", 32), ID{}, false},
		{"not hex", "g" + sampleText[1:], ID{}, false},
		{"space before", " " + sampleText[1:], ID{}, false},
		{"prefix", "0x" + sampleText[2:], ID{}, false},
		{"40 bytes of other text", strings.Repeat("é", 20), ID{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseID(tt.in)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("got %s, %v, want %s, ok %v", got, err, tt.want, tt.ok)
			}
			if err != nil && !errors.Is(err, ErrSyntax) {
				t.Errorf("got %v, want it to wrap ErrSyntax", err)
			}
		})
	}
}

func TestIDForms(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"String", sampleID.String(), sampleText},
		{"Short", sampleID.Short(), "00010203"},
		{"%v", fmt.Sprint(sampleID), sampleText},
		{"LogValue", sampleID.LogValue().String(), "00010203"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if sampleID.IsZero() || !(ID{}).IsZero() {
		t.Error("IsZero: got the wrong answer")
	}
}

func TestIDInLogs(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("up", "peer", sampleID)
	if want := `"peer":"00010203"`; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s in it", out.String(), want)
	}
}

func TestIDInJSON(t *testing.T) {
	text, err := json.Marshal(map[ID]ID{sampleID: sampleID})
	if want := `{"` + sampleText + `":"` + sampleText + `"}`; err != nil || string(text) != want {
		t.Fatalf("got %s, %v, want %s", text, err, want)
	}
	var back map[ID]ID
	if err := json.Unmarshal(text, &back); err != nil || back[sampleID] != sampleID {
		t.Errorf("got %v, %v, want the same again", back, err)
	}
}

func TestUnmarshalTextKeepsTheValueOnError(t *testing.T) {
	id := sampleID
	if err := id.UnmarshalText([]byte("nonsense")); !errors.Is(err, ErrSyntax) {
		t.Errorf("got %v, want ErrSyntax", err)
	}
	if id != sampleID {
		t.Errorf("got %s, want the old value", id)
	}
}

func TestRandomID(t *testing.T) {
	if got, err := RandomID(bytes.NewReader(sampleID[:])); got != sampleID || err != nil {
		t.Errorf("got %s, %v, want the bytes that were read", got, err)
	}
	if got, err := RandomID(bytes.NewReader(sampleID[:19])); !got.IsZero() || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %s, %v, want the zero ID and io.ErrUnexpectedEOF", got, err)
	}
}

// FuzzParseID checks that exactly the 40-digit texts are taken, that both doors
// agree, and that what was read is printed again in lower case.
func FuzzParseID(f *testing.F) {
	f.Add(sampleText)
	f.Add(strings.ToUpper(sampleText))
	f.Add("")
	f.Add(sampleText[1:] + "g")
	f.Add(strings.Repeat("é", 20))
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		var other ID
		if otherErr := other.UnmarshalText([]byte(text)); (otherErr == nil) != (err == nil) || other != id {
			t.Fatalf("%q: ParseID got %s, %v; UnmarshalText got %s, %v", text, id, err, other, otherErr)
		}
		if err != nil {
			if !errors.Is(err, ErrSyntax) || !id.IsZero() {
				t.Fatalf("%q: got %s, %v, want the zero ID and ErrSyntax", text, id, err)
			}
			return
		}
		if got := id.String(); got != strings.ToLower(text) {
			t.Fatalf("%q: got %q back", text, got)
		}
	})
}
