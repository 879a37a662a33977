package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

const id = "3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b"

func TestMask(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing secret", "ws://127.0.0.1:8080", "ws://127.0.0.1:8080"},
		{"path", "wss://mesh.example.org/a/b/", "wss://mesh.example.org/a/b/"},
		{"pin", "ws://host:80#" + id, "ws://host:80#" + id},
		{"mistyped pin", "ws://host:80#" + id[1:], "ws://host:80#" + id[1:]},
		{"fragment", "ws://host:80#S3CRET", "ws://host:80#***"},
		{"password", "ws://alice:S3CRET@host:80/p", "ws://alice:***@host:80/p"},
		{"password with a colon", "ws://alice:S3:CRET@host", "ws://alice:***@host"},
		{"encoded password", "ws://alice:S3%40CRET@host", "ws://alice:***@host"},
		{"token as user", "ws://S3CRET@host", "ws://***@host"},
		{"token and empty password", "ws://S3CRET:@host", "ws://***@host"},
		{"token and x", "ws://S3CRET:x-oauth-basic@host", "ws://***@host"},
		{"long user", "ws://S3CRETS3CRETS3CRETS3CRETS3CRET:abc@host", "ws://***@host"},
		{"empty user info", "ws://@host", "ws://***@host"},
		{"upper case", "WSS://alice:S3CRET@HOST/", "WSS://alice:***@HOST/"},
		{"query", "wss://host/p?token=S3CRET&x=S3CRET", "wss://host/p?token=***&x=***"},
		{"query without key", "wss://host/?S3CRET", "wss://host/?***"},
		{"query with semicolon", "wss://host/?a=1;token=S3CRET", "wss://host/?a=***&token=***"},
		{"query with @ in a value", "wss://host:80/?mail=S3CRET@x", "wss://host:80/?mail=***"},
		{"query and pin", "wss://host/?t=S3CRET#" + id, "wss://host/?t=***#" + id},
		{"bad escape", "wss://alice:S3CRET%zz@host/?t=S3CRET%zz", "wss://alice:***@host/?t=***"},
		{"slash in the password", "ws://alice:S3/CRET@host", "ws://alice:***@host"},
		{"hash in the password", "ws://alice:S3#CRET@host:80", "ws://alice:***@host:80"},
		{"hash in the password behind digits", "ws://alice:12#S3CRET@host:80", "ws://alice:***@host:80"},
		{"question mark in the password", "ws://alice:S3?CRET@host", "ws://alice:***@host"},
		{"@ in the password", "ws://alice:S3@CRET@host", "ws://alice:***@host"},
		{"blank in the password", "ws://alice:S3 CRET@host", "ws://alice:***@host"},
		{"one slash", "ws:/alice:S3CRET@host", "ws:/alice:***@host"},
		{"no slashes", "ws:alice:S3CRET@host", "ws:alice:***@host"},
		{"three slashes", "ws:///alice:S3CRET@host", "ws:///alice:***@host"},
		{"no scheme", "alice:S3CRET@host:80", "alice:***@host:80"},
		{"blanks before", "  ws://alice:S3CRET@host", "  ws://alice:***@host"},
		{"other scheme", "ftp://alice:S3CRET@host", "ftp://alice:***@host"},
		{"host forgotten", "ws://alice:S3CRET", "ws://alice:***"},
		{"zone", "ws://[fe80::1%eth0]:8080/?t=S3CRET", "ws://[fe80::1%eth0]:8080/?t=***"},
		{"IPv6 with a user", "ws://alice:S3CRET@[::1]:8080", "ws://alice:***@[::1]:8080"},
		{"words", "no URL at all", "no URL at all"},
		{"empty", "", ""},

		{"stun", "stun:host:3478", "stun:host:3478"},
		{"turn", "turn:alice:S3CRET@host:3478?transport=udp", "turn:alice:***@host:3478?transport=udp"},
		{"turn, upper case", "TURN:alice:S3CRET@host", "TURN:alice:***@host"},
		{"turns", "turns:alice:S3CRET@host:5349?transport=tcp", "turns:alice:***@host:5349?transport=tcp"},
		{"turn with slashes", "turn://alice:S3CRET@host", "turn://alice:***@host"},
		{"turn, encoded user", "turn:1796099645%3Aalice:S3CRET@host", "turn:1796099645%3Aalice:***@host"},
		{"turn, name with a colon", "turn:1796099645:alice:S3CRET@host", "turn:1796099645:***@host"},
		{"turn, encoded password", "turn:alice:S3%40%3ACRET@host", "turn:alice:***@host"},
		{"turn, @ in the password", "turn:alice:S3@CRET@host", "turn:alice:***@host"},
		{"turn, encoded @", "turn:alice:S3CRET%40host:3478", "turn:alice:***"},
		{"turn, no host", "turn:alice:S3CRET", "turn:alice:***"},
		{"turn, no user", "turn:host:3478", "turn:host:3478"},
		{"turn, token", "turn:S3CRET@host", "turn:***@host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := URL(c.text).String()
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if again := URL(got).String(); again != got {
				t.Errorf("masked twice: got %q, want %q", again, got)
			}
		})
	}
}

// Whatever prints a URL prints it masked.
func TestEveryWayOut(t *testing.T) {
	u := URL("ws://alice:S3CRET@host/?token=S3CRET")
	type holder struct {
		URL  URL            `json:"url"`
		List []URL          `json:"list"`
		By   map[URL]string `json:"-"` // JSON writes a key that is a string as it is
	}
	h := holder{u, []URL{u}, map[URL]string{u: ""}}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.60s", "% x"} {
		out = append(out, fmt.Sprintf(verb, u), fmt.Sprintf(verb, h), fmt.Sprintf(verb, &h))
	}
	for _, v := range []any{u, h} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	var log bytes.Buffer
	for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
		l.Info("dialling", "url", u, "in", h, "err", fmt.Errorf("dial %s: %q: %v", u, u, u))
	}
	out = append(out, log.String(), Text("Get \"ws://alice:S3CRET@host\": and TURN:a:S3CRET@host, WSS://h/?t=S3CRET"))
	for _, text := range out {
		if strings.Contains(text, "S3CRET") || strings.Contains(text, "533343524554") {
			t.Errorf("got the secret in %q", text)
		}
	}
	if got := u.Reveal(); got != "ws://alice:S3CRET@host/?token=S3CRET" {
		t.Errorf("Reveal: got %q", got)
	}
}

func TestTextKeepsTheSentence(t *testing.T) {
	for text, want := range map[string]string{
		"join ws://127.0.0.1:80: connect":                             "join ws://127.0.0.1:80: connect",
		"ws://h/?a=b, ws://x:y@z.":                                    "ws://h/?a=***, ws://x:***@z.",
		"want turn:user:password@host:port or stun:host:port":         "want turn:user:password@host:port or stun:host:port",
		"write ws://host:port; (ws://a:b@c)":                          "write ws://host:port; (ws://a:***@c)",
		"want socks5h://host:port, or http://user:password@host:port": "want socks5h://host:port, or http://user:password@host:port",
		"ftp://a:b@c": "ftp://a:***@c",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestJSONComesBack(t *testing.T) {
	b, err := json.Marshal(URL("ws://host:80"))
	if err != nil {
		t.Fatal(err)
	}
	var got URL
	if err := json.Unmarshal(b, &got); err != nil || got != "ws://host:80" {
		t.Errorf("got %q, %v", got, err)
	}
}

// What a parser stumbles over may be a piece of a password.
func TestParseErrorsTellNothing(t *testing.T) {
	for text, want := range map[string]error{
		"ws://[fe80::1%eth0]:8080":      ErrZone,
		"ws://[fe80::1%eb0]:8080":       ErrZone, // an escape by chance
		"ws://alice:S3CRET%zz@host":     ErrEscape,
		"ws://host/S3CRET%zz":           ErrEscape,
		"ws://alice:S3/CRET@host":       ErrPort,
		"ws://ho st":                    ErrHost,
		"ws://[::1":                     ErrHost,
		"ws://alice:S3\x01CRET@host":    ErrURL,
		":S3CRET":                       ErrURL,
		"ws://[fe80::1%25eth0]:8080/":   nil,
		"ws://alice:S3CRET@host/?a=%25": nil,
	} {
		_, err := URL(text).Parse()
		if !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "S3") {
			t.Errorf("%q: got the secret in %q", text, err)
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, seed := range []string{"ws://a:b@c", "turn:a:b@c:1", "wss://h/?a=b", "ws://a:1#b@c", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := URL(text).String()
		if twice := URL(once).String(); twice != once {
			t.Errorf("%q: masked %q, twice %q", text, once, twice)
		}
		parsed, err := url.Parse(text)
		if err != nil || parsed.User == nil || parsed.Host == "" {
			return
		}
		if password, _ := parsed.User.Password(); len(password) > 8 && strings.Contains(once, parsed.User.String()) {
			t.Errorf("%q: got the password in %q", text, once)
		}
	})
}
