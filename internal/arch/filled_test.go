package arch

import (
	"go/ast"
	"path/filepath"
	"strings"
	"testing"
)

// unfilled are limits that bound what grows and that no test names, with why none
// has to, or what is missing.
var unfilled = map[string]string{
	"ContactsMin":      "part of the size that engine's tests of the book fill",
	"HandshakeWorkers": "the capacity of a channel: tokens, not memory",
	"PingReplies":      "the capacity of a channel: tokens, not memory",
	"LoopQueue":        "the capacity of a channel, which is there from the start",
	"TraceHops":        "the length of an array of one call of the user",
	"StatusSessions":   "what a status tells; the sessions have a bound of their own",
	"LookupRounds":     "rounds of one call of the user",
	"LinkFindNodes":    "questions of one look for links",
	"NearSet":          "a handful, by definition",
	"LeafLinksPort":    "the default of Config.MaxLeaves, which tests set",
	"Ports":            "opened by the user of the node alone",
	"MaxLinks":         "the largest value of a setting",
}

// Each number that a row of bounds names has a test that names it too: whoever adds
// a bound adds what fills it.
func TestEveryBoundIsFilled(t *testing.T) {
	inTests := namedInTests(t)
	named := make(map[string]bool)
	for _, table := range bounds {
		for _, bound := range table {
			for _, m := range limitsName.FindAllStringSubmatch(bound, -1) {
				named[m[1]] = true
			}
		}
	}
	for name := range named {
		switch reason, excused := unfilled[name]; {
		case !inTests[name] && !excused:
			t.Errorf("limits.%s bounds what grows and no test names it: fill it", name)
		case inTests[name] && excused:
			t.Errorf("limits.%s is named by a test: delete its row in unfilled (%q)", name, reason)
		}
	}
	for name := range unfilled {
		if !named[name] {
			t.Errorf("limits.%s has a row in unfilled and none in bounds: delete it", name)
		}
	}
}

// namedInTests are the limits that the tests of other packages use.
func namedInTests(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, l := range goList(t, "./...") {
		path := strings.TrimPrefix(l.ImportPath, module+"/")
		names, err := filepath.Glob(filepath.Join(l.Dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if path == "internal/arch" {
				continue
			}
			ast.Inspect(parseFile(t, path, name).syntax, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "limits" {
						all[s.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	return all
}
