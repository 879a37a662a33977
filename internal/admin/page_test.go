package admin

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page has to work where there is no network: whatever it needs is in it.
func TestPageIsSmallAndOffline(t *testing.T) {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	h := newHandler(t)
	for _, e := range entries {
		text, err := assets.ReadFile("assets/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		size += len(text)
		if regexp.MustCompile(`//[a-z0-9]+\.|innerHTML|eval\(|\bon[a-z]+="`).Match(text) {
			t.Errorf("%s: it reaches out, or makes HTML of text", e.Name())
		}
		if types[e.Name()] == "" {
			t.Errorf("%s: it has no content type", e.Name())
		}
	}
	if size > 10<<10 {
		t.Errorf("got %d bytes, want at most 10 KiB", size)
	}
	got := ask(h, "GET", "/", "")
	if !strings.Contains(got.Header().Get("Content-Security-Policy"), "default-src 'none'") || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") {
		t.Errorf("got %v, want HTML under a policy", got.Header())
	}
}

// Each field that the page reads is one that is served.
func TestPageReadsWhatIsServed(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := assets.ReadFile("assets/page.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\b[spbtlh]\.([a-z]+[A-Za-z]*)\b`).FindAllSubmatch(page, -1) {
		if name := string(m[1]); name != "length" && name != "slice" && !bytes.Contains(golden, []byte(`"`+name+`"`)) {
			t.Errorf("page.js reads %q, which /status.json has not", name)
		}
	}
}
