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

// What a remote peer can make a node keep is in fields that grow: maps, slices and
// channels. Each of them in the packages that peers talk to stands in bounds, with
// the number that bounds it.
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

// growing returns the fields of a package's structs that can grow, as
// "type.field", with their types.
func growing(t *testing.T, p pkg) map[string]string {
	t.Helper()
	fset, files := p.parsedTogether(t)
	info := &types.Info{Defs: make(map[*ast.Ident]types.Object)}
	cfg := types.Config{Importer: exportsOf(t, fset, p.path)}
	checked, err := cfg.Check(module+"/"+p.path, fset, files, info)
	if err != nil {
		t.Fatalf("%s: %v", p.path, err)
	}
	fields := make(map[string]string)
	for _, obj := range info.Defs {
		if name, ok := obj.(*types.TypeName); ok && !name.IsAlias() {
			if s, ok := name.Type().Underlying().(*types.Struct); ok {
				growingOf(s, name.Name(), types.RelativeTo(checked), fields)
			}
		}
	}
	return fields
}

func growingOf(s *types.Struct, name string, q types.Qualifier, into map[string]string) {
	for f := range s.Fields() {
		at := name + "." + f.Name()
		if inner, ok := f.Type().(*types.Struct); ok {
			growingOf(inner, at, q, into)
		} else if grows(f.Type()) {
			into[at] = types.TypeString(f.Type(), q)
		}
	}
}

// grows tells whether a value of a type, or what it points to or is made of
// without another struct of ours between, can get longer. A named struct is
// looked at where it is declared.
func grows(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Map, *types.Slice, *types.Chan:
		return true
	case *types.Array:
		return grows(u.Elem())
	case *types.Pointer:
		_, named := u.Elem().(*types.Named)
		return !named && grows(u.Elem())
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	if named.Obj().Pkg().Path() == "sync" && named.Obj().Name() == "Map" {
		return true
	}
	for arg := range named.TypeArgs().Types() { // such as atomic.Pointer
		if _, unnamed := arg.(*types.Named); !unnamed && grows(arg) {
			return true
		}
	}
	return false
}

func TestWhatGrowsIsFound(t *testing.T) {
	pkg := types.NewPackage("p", "p")
	slice := types.NewSlice(types.Typ[types.Byte])
	named := types.NewNamed(types.NewTypeName(0, pkg, "N", nil), types.NewMap(types.Typ[types.Int], slice), nil)
	point := types.NewNamed(types.NewTypeName(0, pkg, "S", nil), types.NewStruct(nil, nil), nil)
	syncMap := types.NewNamed(types.NewTypeName(0, types.NewPackage("sync", "sync"), "Map", nil), types.NewStruct(nil, nil), nil)
	for want, list := range map[bool][]types.Type{
		true:  {slice, named, types.NewChan(types.SendRecv, slice), types.NewArray(slice, 3), types.NewPointer(slice), syncMap},
		false: {types.Typ[types.String], point, types.NewPointer(point), types.NewArray(types.Typ[types.Int], 3)},
	} {
		for _, typ := range list {
			if grows(typ) != want {
				t.Errorf("%s: got %v, want %v", typ, !want, want)
			}
		}
	}
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

// exportsOf imports what the compiler wrote of a package's dependencies.
func exportsOf(t *testing.T, fset *token.FileSet, pkgPath string) types.Importer {
	t.Helper()
	exports := make(map[string]string)
	for _, l := range goList(t, "-export", "-deps", "./"+pkgPath) {
		exports[l.ImportPath] = l.Export
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("go list tells no export data of %s", path)
		}
		return os.Open(exports[path])
	})
}
