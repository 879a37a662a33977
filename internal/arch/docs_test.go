package arch

import (
	"fmt"
	"go/ast"
	"go/doc"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/reason"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The numbers of reasons are on the wire, so the normative page has them all.
func TestProtocolNamesEveryReason(t *testing.T) {
	doc := readDoc(t, "docs/protocol.md")
	for n := range reason.Count {
		if row := fmt.Sprintf("\n| %d | `%s` | ", n, reason.Reason(n)); !strings.Contains(doc, row) {
			t.Errorf("docs/protocol.md, section 6: got no row that begins with%q", row)
		}
	}
	if beyond := fmt.Sprintf("\n| %d | `", reason.Count); strings.Contains(doc, beyond) {
		t.Errorf("docs/protocol.md, section 6: got a row for reason %d, want the last to be %d", reason.Count, reason.Count-1)
	}
}

// The README has to stay a page that a newcomer reads to its end.
func TestReadmeIsShort(t *testing.T) {
	const most = 230
	readme := readDoc(t, "README.md")
	if got := strings.Count(readme, "\n"); got > most {
		t.Errorf("README.md: got %d lines, want at most %d", got, most)
	}
	if !strings.Contains(readme, "make test") {
		t.Error("README.md: got no test command, want make test")
	}
}

// noOutput are the public packages whose examples cannot print anything.
var noOutput = map[string]string{"transport/transporttest": "its functions need the *testing.T of a test"}

// Each package that others may import shows how to use it, by examples that run and
// whose output is compared.
func TestPublicPackagesHaveExamples(t *testing.T) {
	count := 0
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path, "internal/") || strings.HasPrefix(p.path, "cmd/") || strings.HasPrefix(p.path, "examples") {
			continue
		}
		count++
		names, err := filepath.Glob(filepath.Join("..", "..", p.path, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, name := range names {
			files = append(files, parseFile(t, p.path, name).syntax)
		}
		printing, shown := 0, doc.Examples(files...)
		for _, example := range shown {
			if example.Output != "" {
				printing++
			}
		}
		if len(shown) == 0 || printing == 0 && noOutput[p.path] == "" {
			t.Errorf("%s: got %d examples, %d with output, want one", p.path, len(shown), printing)
		}
	}
	if count < 9 {
		t.Errorf("got %d public packages, want all", count)
	}
}
