// Package examples runs each example as a reader of the README does.
package examples

import (
	"os/exec"
	"testing"
)

func TestExamples(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"hello", "alice got \"hello\"\nalice got \"hello again\"\nbob got \"you said hello again\"\n"},
		{"udp-echo", "udp: got \"hello\" back\npeermesh: got \"hello\" back\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
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
