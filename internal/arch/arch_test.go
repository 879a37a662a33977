package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/peermesh/peermesh"

// pkg is a package of this module with every file that is not a test, also
// those that other systems build.
type pkg struct {
	path  string // below the module
	files []file
}

type file struct {
	path   string // below the module
	syntax *ast.File
	fset   *token.FileSet
}

// listed is what the tests want of the go command.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string // that are no tests and that this system builds
	Export          string   // with -export: the file of what the compiler tells importers
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Dir,GoFiles,Export"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %q: %v\n%s", args, err, talk.Bytes())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list %q: %v", args, err)
		}
		all = append(all, l)
	}
}

var parsed = struct {
	once sync.Once
	pkgs []pkg
}{}

// packages returns all packages of this module.
func packages(t *testing.T) []pkg {
	t.Helper()
	parsed.once.Do(func() {
		for _, l := range goList(t, "./...") {
			p := pkg{path: strings.TrimPrefix(l.ImportPath, module+"/")}
			names, err := filepath.Glob(filepath.Join(l.Dir, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if !strings.HasSuffix(name, "_test.go") {
					p.files = append(p.files, parseFile(t, p.path, name))
				}
			}
			parsed.pkgs = append(parsed.pkgs, p)
		}
	})
	if len(parsed.pkgs) == 0 {
		t.Fatal("got no packages, want those of the module")
	}
	return parsed.pkgs
}

func parseFile(t *testing.T, pkgPath, name string) file {
	t.Helper()
	f := file{path: path.Join(pkgPath, filepath.Base(name)), fset: token.NewFileSet()}
	var err error
	if f.syntax, err = parser.ParseFile(f.fset, name, nil, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	return f
}

// imports calls visit with each import path of f.
func (f file) imports(visit func(path string)) {
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			visit(p)
		}
	}
}

// fits reports whether a path below the module is what a table's entry means.
func fits(entry, path string) bool {
	if dir, ok := strings.CutSuffix(entry, "/*"); ok {
		return strings.HasPrefix(path, dir+"/")
	}
	return entry == path
}

func fitsAny(entries []string, path string) bool {
	return slices.ContainsFunc(entries, func(e string) bool { return fits(e, path) })
}

// roomOf returns the row of a package; an exact row goes before "x/*".
func roomOf(path string) (room, bool) {
	for _, exact := range []bool{true, false} {
		for _, r := range house {
			if exact == (r.path == path) && fits(r.path, path) {
				return r, true
			}
		}
	}
	return room{}, false
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := roomOf(p.path)
		if !ok {
			t.Errorf("%s: it has no row in the table: give it one, with its reason", p.path)
			continue
		}
		for _, f := range p.files {
			f.imports(func(imported string) {
				ours, ok := strings.CutPrefix(imported, module+"/")
				if ok && !fitsAny(r.may, ours) {
					t.Errorf("%s imports %s: got an arrow that is not in the table. %s: %s", f.path, ours, r.path, r.reason)
				}
			})
		}
	}
}

// The rows stand in the order of the house, so a row that may import itself
// or a row below it in the table would be an arrow up, or sideways.
func TestTablePointsDown(t *testing.T) {
	for i, r := range house {
		for _, m := range r.may {
			if !slices.ContainsFunc(house[:i], func(below room) bool { return below.path == m || fits(m, below.path) }) {
				t.Errorf("%s may import %s, which is no row before it", r.path, m)
			}
		}
	}
}

func TestLibrariesHaveOneOwner(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			f.imports(func(imported string) {
				if p.path == stranger && slices.Contains(strangers, imported) {
					return
				}
				if strings.HasPrefix(imported, shown.library) && fits(shown.place, p.path) {
					return
				}
				for _, o := range owners {
					if strings.HasPrefix(imported, o.library) && !fits(o.place, p.path) && o.place != f.path {
						t.Errorf("%s imports %s: only %s may: %s", f.path, imported, o.place, o.reason)
					}
				}
			})
		}
	}
}

func TestPurePackages(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.path) {
			continue
		}
		for _, f := range p.files {
			if impure(f.path) {
				continue
			}
			f.imports(func(imported string) {
				if why, ok := outside[imported]; ok {
					t.Errorf("%s imports %s (%s): %s is pure", f.path, imported, why, p.path)
				}
			})
			for _, fault := range impurities(f.syntax) {
				t.Errorf("%s: %s: %s is pure: now and randomness come in as arguments, goroutines belong to the callers",
					f.fset.Position(fault.pos), fault.what, p.path)
			}
		}
	}
}

func impure(path string) bool {
	for _, i := range impureFiles {
		if ok, err := filepath.Match(i.pattern, path); ok && err == nil {
			return true
		}
	}
	return false
}

type fault struct {
	pos  token.Pos
	what string
}

// impurities finds goroutines, clocks and the process's own randomness.
func impurities(f *ast.File) []fault {
	var all []fault
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			all = append(all, fault{n.Pos(), "a go statement"})
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || x.Obj != nil { // a variable, not a package
				break
			}
			switch importOf(f, x.Name) {
			case "time":
				if slices.Contains(clock, n.Sel.Name) {
					all = append(all, fault{n.Pos(), "time." + n.Sel.Name})
				}
			case "math/rand", "math/rand/v2":
				if !slices.Contains(ownRandomness, n.Sel.Name) {
					all = append(all, fault{n.Pos(), "rand." + n.Sel.Name})
				}
			}
		}
		return true
	})
	return all
}

// importOf returns the import path that a file knows by a name.
func importOf(f *ast.File, name string) string {
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		known := path.Base(strings.TrimSuffix(p, "/v2"))
		if spec.Name != nil {
			known = spec.Name.Name
		}
		if known == name {
			return p
		}
	}
	return ""
}

func TestImpuritiesAreFound(t *testing.T) {
	const source = `package p
import ("math/rand/v2"; "time"; clock "time")
var now = time.Now
func f(time2 struct{ Now int }) {
	go f(time2)
	_ = clock.Since(time.Time{})
	_ = rand.IntN(3)
	_ = rand.New(rand.NewPCG(1, 2)).IntN(3)
	_ = time2.Now
	_ = time.Second
}`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, fault := range impurities(f) {
		got = append(got, fault.what)
	}
	want := []string{"time.Now", "a go statement", "time.Since", "rand.IntN"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a simulation shows is worth nothing if it is the simulation's own doing.
func TestTheSimulationDecidesNothing(t *testing.T) {
	simulated := 0
	for _, p := range packages(t) {
		for _, f := range p.files {
			if ok, err := path.Match(simulation, f.path); !ok || err != nil {
				continue
			}
			simulated++
			for _, fault := range decisions(f.syntax) {
				t.Errorf("%s: %s: tables, ways and retries are the engine's and the sessions' alone, as in a real node",
					f.fset.Position(fault.pos), fault.what)
			}
			for _, fault := range impurities(f.syntax) {
				t.Errorf("%s: %s: a simulation is one goroutine, in virtual time, with randomness of its own seed",
					f.fset.Position(fault.pos), fault.what)
			}
		}
	}
	if simulated == 0 {
		t.Errorf("got no files %s, want the simulation", simulation)
	}
}

// decisions finds the use of what chooses ways.
func decisions(f *ast.File) []fault {
	var all []fault
	ast.Inspect(f, func(n ast.Node) bool {
		if n, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := n.X.(*ast.Ident); ok && x.Obj == nil {
				from := strings.TrimPrefix(importOf(f, x.Name), module+"/")
				if slices.Contains(deciders, from+"."+n.Sel.Name) {
					all = append(all, fault{n.Pos(), from + "." + n.Sel.Name})
				}
			}
		}
		return true
	})
	return all
}

func TestDecisionsAreFound(t *testing.T) {
	const source = `package p
import ("github.com/peermesh/peermesh/internal/engine"; ways "github.com/peermesh/peermesh/routing")
var a = engine.New
var b = engine.NewSnapshot
func f(t ways.Table, routing struct{ NewTable int }) { _ = ways.NewTable; _ = routing.NewTable; _ = ways.ID{} }`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, fault := range decisions(f) {
		got = append(got, fault.what)
	}
	want := []string{"internal/engine.NewSnapshot", "routing.Table", "routing.NewTable"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		documented := slices.ContainsFunc(p.files, func(f file) bool { return f.syntax.Doc != nil })
		if len(p.files) > 0 && !documented {
			t.Errorf("%s: got no package comment, want one in doc.go", p.path)
		}
	}
}

func TestTheLibraryIsLight(t *testing.T) {
	var public []string
	for _, p := range packages(t) {
		isLibrary := fitsAny([]string{"node", "routing", "transport", "transport/ws", "transport/mem", "dgram", "stream", "topic", "gateway", "gateway/*"}, p.path)
		if isLibrary {
			public = append(public, "./"+p.path)
		}
	}
	for _, dep := range goList(t, append([]string{"-deps"}, public...)...) {
		if why, ok := heavy[dep.ImportPath]; ok {
			t.Errorf("the library depends on %s: %s; see it with: go list -deps %s", dep.ImportPath, why, strings.Join(public, " "))
		}
	}
}

// Who needs no WebRTC builds without what it takes.
func TestWithoutWebRTC(t *testing.T) {
	for _, dep := range goList(t, "-tags", "nowebrtc", "-deps", "./node", "./transport/webrtc") {
		if strings.HasPrefix(dep.ImportPath, "github.com/pion/") {
			t.Errorf("with the tag nowebrtc ./node or ./transport/webrtc depends on %s", dep.ImportPath)
		}
	}
}
