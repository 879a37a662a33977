// Package examples runs each example as a reader of the README does.
package examples

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestExamples(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"dns-over-mesh", "bob is told [hello over peermesh]\n"},
		{"dtls-over-mesh", "bob got \"you said hello\"\n"},
		{"embed-http", "the guest says \"nobody dialled me, and you found me\"\n"},
		{"hello", "alice got \"hello\"\nalice got \"hello again\"\nbob got \"you said hello again\"\n"},
		{"http-over-mesh", "bob reads \"a page of alice's, by HTTP/3.0\"\n"},
		{"quic-over-mesh", "alice got 33554432 bytes\nbob sees that they are the same: true\n"},
		{"udp-echo", "udp: got \"hello\" back\npeermesh: got \"hello\" back\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), "go", "run", "./"+test.name).CombinedOutput()
			if err != nil {
				t.Fatalf("go run ./%s: %v\n%s", test.name, err, out)
			}
			if got := string(out); got != test.want {
				t.Errorf("go run ./%s: got\n%swant\n%s", test.name, got, test.want)
			}
		})
	}
}

// An example is to be read at a glance: all of its files together.
func TestExamplesAreShort(t *testing.T) {
	const most = 80
	files, err := filepath.Glob("*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("got files %q and %v, want those of the examples", files, err)
	}
	lines := make(map[string]int)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines[filepath.Dir(file)] += bytes.Count(b, []byte("\n"))
	}
	for name, got := range lines {
		if got > most {
			t.Errorf("%s: got %d lines, want at most %d", name, got, most)
		}
	}
}
