package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// revealed are the files that may see a secret.URL in the clear, and why.
var revealed = map[string]string{
	"node/dialpolicy.go":         "it asks whether others may be told of a URL",
	"node/links.go":              "it asks whether a URL stands for a node that is asked for a link",
	"internal/engine/fill.go":    "it asks whether a URL stands for a node that is asked for a link",
	"internal/engine/targets.go": "it asks whether a URL stands for a node that is asked for a link",
	"internal/engine/webrtc.go":  "it asks whether a URL stands for a node that is asked for a link",
	"testnet/simdial.go":         "its URLs name nodes of a simulation",
	"testnet/simtrace.go":        "its URLs name nodes of a simulation",
}

// ownURLs are fields of structs that hold a URL as a string, and why that may be
// printed. Whatever a user gives to dial is a secret.URL.
var ownURLs = map[string]string{
	"internal/admin.Runtime.URL":  "of the admin page, as this program made it",
	"internal/hostile.Server.URL": "of a test's server",
}

// A URL that a user gave may hold a password. So what holds one is a secret.URL, and
// nobody takes the text out of it to print it, or masks it in a way of his own.
func TestURLsAreMasked(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range packages(t) {
		if p.path == "internal/secret" || strings.HasPrefix(p.path, "bench") {
			continue
		}
		for _, f := range p.files {
			for _, fault := range unmasked(p.path, f.syntax) {
				name, isReveal := strings.CutPrefix(fault, "Reveal")
				switch {
				case isReveal && name == "" && revealed[f.path] != "":
					seen[f.path] = true
				case !isReveal && ownURLs[fault] != "":
					seen[fault] = true
				case isReveal:
					t.Errorf("%s takes a secret.URL in the clear: print it as it is, or give the file a row in revealed", f.path)
				default:
					t.Errorf("%s: %s: make it a secret.URL (transport.URL), or give it a row in ownURLs", f.path, fault)
				}
			}
		}
	}
	for _, table := range []map[string]string{revealed, ownURLs} {
		for row := range table {
			if !seen[row] {
				t.Errorf("%s has a row and no use: delete the row", row)
			}
		}
	}
}

// unmasked finds calls of Reveal ("Reveal") and of Redacted, conversions of a field
// URL to a string, and exported fields named URL that are strings.
func unmasked(pkg string, f *ast.File) (faults []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 0 && (s.Sel.Name == "Reveal" || s.Sel.Name == "Redacted") {
				faults = append(faults, s.Sel.Name)
			}
			if to, ok := n.Fun.(*ast.Ident); ok && to.Name == "string" && len(n.Args) == 1 {
				if s, ok := n.Args[0].(*ast.SelectorExpr); ok && s.Sel.Name == "URL" {
					faults = append(faults, "string(….URL)")
				}
			}
		case *ast.TypeSpec:
			s, ok := n.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				for _, name := range field.Names {
					if typ, ok := field.Type.(*ast.Ident); ok && typ.Name == "string" && name.Name == "URL" {
						faults = append(faults, pkg+"."+n.Name.Name+".URL")
					}
				}
			}
		}
		return true
	})
	return faults
}

func TestUnmaskedURLsAreFound(t *testing.T) {
	const source = `package p
type T struct { URL string; other int }
type U struct { URL transport.URL }
func f(t *T, u *url.URL) { t.URL.Reveal(); u.Redacted(); _ = string(t.URL); _ = string(u.Path) }`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(unmasked("p", f), " ")
	if want := "p.T.URL Reveal Redacted string(….URL)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
