package arch

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a remote peer can make a node keep is in fields and variables that grow, see
// grower. Each of them in the packages that peers talk to stands in bounds, with the
// number that bounds it.
func TestWhatGrowsIsBounded(t *testing.T) {
	names := limitNames(t)
	found := make(map[string]bool)
	for _, p := range audited(t) {
		table := bounds[p.path]
		for name, typ := range growing(t, p) {
			found[p.path+" "+name] = true
			if _, ok := table[name]; !ok {
				t.Errorf("%s: %s is a %s that has no row in bounds: what bounds it?", p.path, name, typ)
			}
		}
	}
	for pkg, table := range bounds {
		for field, bound := range table {
			if !found[pkg+" "+field] {
				t.Errorf("%s: %s has a row in bounds and is no field that grows: delete the row", pkg, field)
			}
			for _, fault := range faultsOf(bound, names) {
				t.Errorf("%s: %s: %q: %s", pkg, field, bound, fault)
			}
		}
	}
}

var limitsName = regexp.MustCompile(`\blimits\.(\w+)`)

// faultsOf tells what is wrong with a row of bounds.
func faultsOf(bound string, names map[string]bool) (faults []string) {
	named := limitsName.FindAllStringSubmatch(bound, -1)
	reasoned := strings.HasPrefix(bound, "bounded by ") || strings.HasPrefix(bound, "not remote: ")
	if !reasoned && !strings.HasPrefix(bound, "limits.") {
		faults = append(faults, `it begins with none of "limits.", "bounded by " and "not remote: "`)
	}
	for _, m := range named {
		if !names[m[1]] {
			faults = append(faults, "there is no limits."+m[1])
		}
	}
	return faults
}

func TestFaultyBoundsAreFound(t *testing.T) {
	names := map[string]bool{"Records": true}
	for bound, want := range map[string]int{
		"limits.Records": 0, "bounded by two limits.Records": 0, "not remote: set once": 0,
		"limits.Gone": 1, "bounded by limits.Gone": 1, "some": 1, "": 1, "few of limits.Gone": 2,
	} {
		if got := faultsOf(bound, names); len(got) != want {
			t.Errorf("%q: got faults %q, want %d", bound, got, want)
		}
	}
}

// A number that nothing reads bounds nothing.
func TestEveryLimitIsUsed(t *testing.T) {
	used := make(map[string]bool)
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Obj == nil && importOf(f.syntax, x.Name) == module+"/internal/limits" {
						used[n.Sel.Name] = true
					}
				case *ast.ValueSpec: // a number made of others
					for _, v := range n.Values {
						if p.path == "internal/limits" {
							identsOf(v, used)
						}
					}
				}
				return true
			})
		}
	}
	for name := range limitNames(t) {
		test, mirrored := mirrors[name]
		switch {
		case mirrored && used[name]:
			t.Errorf("limits.%s is in mirrors and used: delete the row", name)
		case mirrored && !strings.Contains(readDoc(t, test), "limits."+name):
			t.Errorf("limits.%s is in mirrors, and %s does not compare it", name, test)
		case !mirrored && !used[name]:
			t.Errorf("limits.%s is used nowhere but in tests: delete it, or enforce it", name)
		}
	}
}

func identsOf(e ast.Expr, into map[string]bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			into[id.Name] = true
		}
		return true
	})
}

// limitNames are the constants of internal/limits.
func limitNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, p := range packages(t) {
		if p.path != "internal/limits" {
			continue
		}
		for _, f := range p.files {
			for _, decl := range f.syntax.Decls {
				if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.CONST {
					for _, spec := range d.Specs {
						for _, id := range spec.(*ast.ValueSpec).Names {
							names[id.Name] = true
						}
					}
				}
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("got no constants of internal/limits")
	}
	return names
}

// audited are the packages of bounds, in their order, that exist.
func audited(t *testing.T) (all []pkg) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(bounds)) {
		i := slices.IndexFunc(packages(t), func(p pkg) bool { return p.path == name })
		if i < 0 {
			t.Fatalf("bounds has a table of %s, which is no package", name)
		}
		all = append(all, packages(t)[i])
	}
	return all
}

// growing returns what can grow in a package, by name, with its type.
func growing(t *testing.T, p pkg) map[string]string {
	t.Helper()
	fset, files := p.parsedTogether(t)
	return growingIn(t, p.path, fset, files, exportsOf(t, fset, "./"+p.path))
}

// parsedTogether parses the files of a package that this system builds, in one set.
func (p pkg) parsedTogether(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, l := range goList(t, "./"+p.path) {
		for _, name := range l.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	return fset, files
}

// exportsOf imports what the compiler wrote of packages and their dependencies.
func exportsOf(t *testing.T, fset *token.FileSet, pkgs ...string) types.Importer {
	t.Helper()
	exports := make(map[string]string)
	for _, l := range goList(t, append([]string{"-export", "-deps"}, pkgs...)...) {
		exports[l.ImportPath] = l.Export
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("go list tells no export data of %s", path)
		}
		return os.Open(exports[path])
	})
}
