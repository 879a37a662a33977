package arch

import (
	"go/ast"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// measured are the limits of what strangers can fill whose cost a test measures by
// the heap, with the package whose heap_test.go does. What a bound counts is one
// quantity, and the memory is another.
var measured = map[string]string{
	"Records":            "internal/engine",
	"RecordsRemembered":  "internal/engine",
	"PeerListEntries":    "internal/engine",
	"ContactsPerLink":    "internal/engine",
	"Sessions":           "internal/session",
	"WindowFree":         "internal/session",
	"WindowPart":         "internal/session",
	"MessageMemory":      "internal/session",
	"WaitingMessages":    "internal/session",
	"HandshakesInFlight": "internal/session",
	"ReachedPeers":       "internal/session",
	"PreAuthLinks":       "internal/link",
	"LinkQueue":          "internal/link",
	"LinkFlows":          "internal/link",
	"PieceBytes":         "internal/link",
	"ControlBytes":       "internal/link",
	"PortQueue":          "node",
	"EventQueue":         "node",
	"EventsEarly":        "node",
}

// Each of them has its row there, and each row a limit that is listed here.
func TestEveryBoundOfMemoryIsMeasured(t *testing.T) {
	rows := make(map[string]string)
	for _, l := range goList(t, "./...") {
		path := strings.TrimPrefix(l.ImportPath, module+"/")
		name := filepath.Join(l.Dir, "heap_test.go")
		if found, err := filepath.Glob(name); err != nil || len(found) == 0 {
			continue
		}
		ast.Inspect(parseFile(t, path, name).syntax, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Limit" {
					value, err := strconv.Unquote(kv.Value.(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					rows[value] = path
				}
			}
			return true
		})
	}
	for name, path := range measured {
		if rows[name] != path {
			t.Errorf("limits.%s: got a row in %q, want one in %s", name, rows[name], path)
		}
	}
	for name := range rows {
		if _, ok := measured[name]; !ok {
			t.Errorf("limits.%s is measured and not listed", name)
		}
	}
}
