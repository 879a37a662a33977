package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

func TestValues(t *testing.T) {
	for _, test := range []struct {
		name string
		v    cli.Generic
		text string
		want string // of the error; empty: none
	}{
		{"a port", number(-1, 0, 65535), "8080", ""},
		{"a free port", number(-1, 0, 65535), "0", ""},
		{"a port below", number(-1, 0, 65535), "-1", "out of range: want a whole number from 0 to 65535"},
		{"a port above", number(-1, 0, 65535), "65536", "out of range: want a whole number from 0 to 65535"},
		{"no number", number(-1, 0, 65535), "http", "want a whole number from 0 to 65535"},
		{"a time", duration(time.Second), "1m30s", ""},
		{"a time without a unit", duration(time.Second), "5", "want a time above zero with its unit, such as 500ms, 10s or 2m"},
		{"no time at all", duration(time.Second), "0s", "want a time above zero with its unit, such as 500ms, 10s or 2m"},
		{"an admin address", adminAddress(), "127.0.0.1:9090", ""},
		{"an admin address of IPv6", adminAddress(), "[::1]:0", ""},
		{"an admin address as a URL", adminAddress(), "http://localhost:9090/", ""},
		{"no admin", adminAddress(), "off", ""},
		{"an admin address for all", adminAddress(), "0.0.0.0:9090", "want a loopback address, such as 127.0.0.1:9090 or [::1]:9090, or off"},
		{"an admin address without a host", adminAddress(), ":9090", "want a loopback address, such as 127.0.0.1:9090 or [::1]:9090, or off"},
		{"where to look", adminURL(), "http://127.0.0.1:9090/", ""},
		{"where to look, a node's setting", adminURL(), "127.0.0.1:9090", ""},
		{"where to look, nowhere", adminURL(), "off", ""},
		{"where to look, no port", adminURL(), "http://127.0.0.1", "want a URL such as http://127.0.0.1:9090"},
		{"an ID's beginning", idPrefix(), "a41C", ""},
		{"too little of an ID", idPrefix(), "a41", "want the first 4 to 40 hex digits of an ID"},
		{"no ID", idPrefix(), "a41x", "want the first 4 to 40 hex digits of an ID"},
		{"a word", choice("warn", "info"), "INFO", ""},
		{"another word", choice("warn", "info"), "loud", "want one of warn, info"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, got := test.v.String(), ""
			if err := test.v.Set(test.text); err != nil {
				got = err.Error()
				if test.v.String() != before {
					t.Errorf("after an error: got %q, want %q as before", test.v, before)
				}
			}
			if got != test.want {
				t.Errorf("Set(%q): got %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestReadNetworkKey(t *testing.T) {
	raw := strings.Repeat("\x07", 32)
	for _, test := range []struct {
		name, text string
		ok         bool
	}{
		{"hex", strings.Repeat("07", 32), true},
		{"hex and a newline", strings.Repeat("07", 32) + "\n", true},
		{"bytes", raw, true},
		{"short hex", strings.Repeat("07", 31), false},
		{"too many bytes", raw + "x", false},
		{"empty", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "network.key")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			key, err := readNetworkKey(file)
			if (err == nil) != test.ok || (test.ok && string(key) != raw) {
				t.Errorf("got %x, %v, want a key: %v", key, err, test.ok)
			}
		})
	}
	if key, err := readNetworkKey(""); key != nil || err != nil {
		t.Errorf("no file: got %x, %v, want no key and no error", key, err)
	}
}
