package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A grower finds what can grow in a package: fields of its structs, those declared
// within functions and those without a name included, and its variables. Grow can
//
//   - maps, slices and channels, by whatever name,
//   - those containers of other packages that are known, see containers,
//   - pointers by which a struct leads back to itself, as those of lists and trees do,
//   - and what points to one of these or is made of it: an array, an atomic.Pointer,
//     a struct without a name.
//
// A named struct is looked at where it is declared. What the auditor does not see is
// what hides behind an interface or in a closure, and what a function holds in
// variables of its own: that goes when it returns.
type grower struct {
	pkg   *types.Package
	leads map[*types.TypeName][]*types.TypeName // from a struct to those that it holds or points to
	found map[string]string
}

// containers are the structs of other packages that hold as much as they are given.
var containers = map[string]bool{
	"sync.Map": true, "container/list.List": true, "container/list.Element": true, "container/ring.Ring": true,
	"bytes.Buffer": true, "strings.Builder": true, "bufio.Scanner": true,
	"github.com/libp2p/go-libp2p-kbucket.RoutingTable": true,
}

// growingIn checks the types of a package and returns what can grow in it:
// variables by their names, fields as "type.field", with their types.
func growingIn(t *testing.T, path string, fset *token.FileSet, files []*ast.File, imports types.Importer) map[string]string {
	t.Helper()
	info := &types.Info{Defs: make(map[*ast.Ident]types.Object)}
	cfg := types.Config{Importer: imports}
	checked, err := cfg.Check(module+"/"+path, fset, files, info)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	g := &grower{checked, make(map[*types.TypeName][]*types.TypeName), make(map[string]string)}
	structs := make(map[*types.TypeName]*types.Struct)
	for _, obj := range info.Defs {
		if name, ok := obj.(*types.TypeName); ok && !name.IsAlias() {
			if s, ok := name.Type().Underlying().(*types.Struct); ok {
				structs[name] = s
				g.leads[name] = g.structsOf(s)
			}
		}
	}
	for name, s := range structs {
		g.fields(s, name, name.Name())
	}
	for _, name := range checked.Scope().Names() {
		if v, ok := checked.Scope().Lookup(name).(*types.Var); ok {
			g.look(v.Type(), nil, name)
		}
	}
	return g.found
}

// fields looks at each field of a struct that is, or is within, the one named owner.
func (g *grower) fields(s *types.Struct, owner *types.TypeName, at string) {
	for f := range s.Fields() {
		g.look(f.Type(), owner, at+"."+f.Name())
	}
}

// look notes what is at a place if it grows; of a struct without a name, its fields.
func (g *grower) look(t types.Type, owner *types.TypeName, at string) {
	if inner, ok := types.Unalias(t).(*types.Struct); ok {
		g.fields(inner, owner, at)
	} else if g.grows(t) || owner != nil && g.leadsBack(t, owner) {
		g.found[at] = types.TypeString(t, types.RelativeTo(g.pkg))
	}
}

// grows tells whether a value of a type, or what it points to or is made of
// without another named struct of ours between, can get longer.
func (g *grower) grows(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Map, *types.Slice, *types.Chan:
		return true
	case *types.Array:
		return g.grows(u.Elem())
	case *types.Pointer:
		return g.grows(u.Elem())
	case *types.Struct:
		if _, named := types.Unalias(t).(*types.Named); !named {
			return anyField(u, g.grows)
		}
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	if containers[named.Obj().Pkg().Path()+"."+named.Obj().Name()] {
		return true
	}
	for arg := range named.TypeArgs().Types() { // such as that of an atomic.Pointer
		if g.grows(arg) {
			return true
		}
	}
	return false
}

func anyField(s *types.Struct, is func(types.Type) bool) bool {
	for f := range s.Fields() {
		if is(f.Type()) {
			return true
		}
	}
	return false
}

// leadsBack tells whether a pointer leads to a struct from which there is a way to
// the one that has the pointer.
func (g *grower) leadsBack(t types.Type, owner *types.TypeName) bool {
	if !points(t) {
		return false
	}
	seen := make(map[*types.TypeName]bool)
	next := g.structsOf(t)
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if name == owner {
			return true
		}
		if !seen[name] {
			seen[name] = true
			next = append(next, g.leads[name]...)
		}
	}
	return false
}

// points tells whether a type is a pointer or made of one: a struct cannot hold
// itself in any other way.
func points(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return true
	case *types.Array:
		return points(u.Elem())
	case *types.Struct:
		named, ok := types.Unalias(t).(*types.Named)
		return !ok && anyField(u, points) || ok && named.TypeArgs().Len() > 0
	}
	return false
}

// structsOf are the named structs of the package that a type is, holds or points
// to. Maps, slices and channels have rows of their own, so it does not look into them.
func (g *grower) structsOf(t types.Type) (all []*types.TypeName) {
	if named, ok := types.Unalias(t).(*types.Named); ok {
		for arg := range named.TypeArgs().Types() {
			all = append(all, g.structsOf(arg)...)
		}
		if _, ok := named.Underlying().(*types.Struct); ok {
			if named.Obj().Pkg() == g.pkg {
				all = append(all, named.Obj())
			}
			return all
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return append(all, g.structsOf(u.Elem())...)
	case *types.Array:
		return append(all, g.structsOf(u.Elem())...)
	case *types.Struct:
		for f := range u.Fields() {
			all = append(all, g.structsOf(f.Type())...)
		}
	}
	return all
}

func TestWhatGrowsIsFound(t *testing.T) {
	fset := token.NewFileSet()
	imports := exportsOf(t, fset, "container/list", "sync", "sync/atomic", "time")
	const head = `package p
import ("container/list"; "sync"; "sync/atomic"; "time")
var ( _ list.List; _ sync.Map; _ atomic.Bool; _ time.Time )
type point struct { x, y int; name string; when time.Time; timer *time.Timer; mu sync.Mutex; once atomic.Bool }
type named map[string]int
type box[T any] struct { v T }
`
	for source, want := range map[string]string{
		"var m map[string]int":                                                                   "m",
		"var c = make(chan int, 1e6)":                                                            "c",
		"var n *named":                                                                           "n",
		"var v struct { m map[int]int }":                                                         "v.m",
		"var v *struct { m map[int]int }":                                                        "v",
		"var v struct { in struct { s []byte; n int }; p *point }":                               "v.in.s",
		"var all [4]named":                                                                       "all",
		"type s struct { m *named }":                                                             "s.m",
		"type s struct { p **named }":                                                            "s.p",
		"type s struct { a atomic.Pointer[named] }":                                              "s.a",
		"type s struct { a atomic.Pointer[[]byte] }":                                             "s.a",
		"type s struct { a *atomic.Pointer[[2]*named] }":                                         "s.a",
		"type s struct { l list.List; m sync.Map }":                                              "s.l s.m",
		"type s struct { l *list.List }":                                                         "s.l",
		"type s struct { b box[named]; p box[point] }":                                           "s.b",
		"type s struct { named }":                                                                "s.named",
		"type alias = named; type s struct { a alias }":                                          "s.a",
		"type s struct { next *s }":                                                              "s.next",
		"type s struct { next atomic.Pointer[s] }":                                               "s.next",
		"type s struct { kids [2]*s }":                                                           "s.kids",
		"type s struct { in struct { next *s } }":                                                "s.in.next",
		"type links struct { next *s }; type s struct { links; n int }":                          "links.next",
		"type s struct { t *u }; type u struct { s *s; p *point }":                               "s.t u.s",
		"func f() { type s struct { m named }; _ = s{} }":                                        "s.m",
		"type f func() []byte; type s struct { f f; p *point; q [3]point; b box[int]; e error }": "",
		"var p, q = &point{}, [2]point{}; var text = `x`; const n = 3":                           "",
		"type s struct { p *point; a atomic.Pointer[point] }; type u struct { s *s }":            "",
	} {
		file, err := parser.ParseFile(fset, "p.go", head+source, 0)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		found := growingIn(t, "p", fset, []*ast.File{file}, imports)
		for _, name := range []string{"_", "box.v"} {
			delete(found, name)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(found)), " "); got != want {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
}
