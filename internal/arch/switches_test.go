package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// A switch over the kinds of something has a case for each kind, so that a new one
// cannot fall through unseen: in the node and in the simulation that stands for it.
// What the others pass over on purpose says why in partial.
var wholeSwitches = []string{"node", "testnet"}

// partial are switches that leave kinds out, as "file: type", and why they may.
var partial = map[string]string{
	"node/event.go: node.EventKind":              "how loud an event is: most are told alike",
	"node/portqueue.go: internal/wire/plain.go":  "what a record needs more: of the kinds that ports are given, datagrams need nothing",
	"node/send.go: internal/link.Admission":      "why an own frame does not wait: all but the end of the link do",
	"testnet/net.go: testnet.Transport":          "memory or sockets: WebSocket is what is left",
	"testnet/simdial.go: testnet.simKind":        "the steps of a dial: the other kinds are handled by whom they are for",
	"testnet/simnode.go: testnet.simKind":        "the wakes of a node: the same",
	"testnet/simnode.go: internal/engine.Action": "nobody reads what a simulated node is told",
}

// anyNumber are the types whose switches pick a few of many on purpose.
var anyNumber = []string{"internal/reason.Reason"}

// kinds are the constants of this module that are kinds of something: those of one
// type, or of one block where they have none, by the package and the name of each.
type kinds struct {
	group   map[string]string   // from a constant to its group
	members map[string][]string // of a group
}

func kindsOf(pkgs []pkg) *kinds {
	k := &kinds{map[string]string{}, map[string][]string{}}
	for _, p := range pkgs {
		for _, f := range p.files {
			for _, d := range f.syntax.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
					k.block(p.path, f.path, g)
				}
			}
		}
	}
	return k
}

func (k *kinds) block(pkgPath, name string, g *ast.GenDecl) {
	typed := ""
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		if id, ok := v.Type.(*ast.Ident); ok {
			typed = pkgPath + "." + id.Name
		} else if len(v.Values) > 0 {
			typed = "" // a value of its own, without a type
		}
		group := typed
		if group == "" {
			group = name
		}
		for _, id := range v.Names {
			if id.Name != "_" {
				k.group[pkgPath+"."+id.Name] = group
				k.members[group] = append(k.members[group], pkgPath+"."+id.Name)
			}
		}
	}
}

// missing returns, for a switch, the kinds that it has no case for, and of what.
func (k *kinds) missing(f file, pkgPath string, s *ast.SwitchStmt) (group string, left []string) {
	have := map[string]bool{}
	for _, clause := range s.Body.List {
		for _, e := range clause.(*ast.CaseClause).List {
			name := constant(f.syntax, pkgPath, e)
			if g := k.group[name]; g != "" {
				group, have[name] = g, true
			}
		}
	}
	for _, m := range k.members[group] {
		if !have[m] {
			left = append(left, m)
		}
	}
	return group, left
}

// constant is the package and name that an expression of a case says, or "".
func constant(f *ast.File, pkgPath string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return pkgPath + "." + e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return strings.TrimPrefix(importOf(f, x.Name), module+"/") + "." + e.Sel.Name
		}
	}
	return ""
}

// actions are the types of a package that have a method of that name.
func actions(p pkg, method string) []string {
	found := map[string]bool{}
	for _, f := range p.files {
		for _, d := range f.syntax.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || m.Name.Name != method {
				continue
			}
			if id, ok := m.Recv.List[0].Type.(*ast.Ident); ok {
				found[p.path+"."+id.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// unhandled returns the types of all that a type switch over some of them leaves out.
func unhandled(f file, pkgPath string, s *ast.TypeSwitchStmt, all []string) []string {
	left := slices.Clone(all)
	for _, clause := range s.Body.List {
		for _, e := range clause.(*ast.CaseClause).List {
			name := constant(f.syntax, pkgPath, e)
			left = slices.DeleteFunc(left, func(t string) bool { return t == name })
		}
	}
	if len(left) == len(all) {
		return nil // over something else
	}
	return left
}

func TestSwitchesAreWhole(t *testing.T) {
	pkgs := packages(t)
	k := kindsOf(pkgs)
	var decided []string
	for _, p := range pkgs {
		if p.path == "internal/engine" {
			decided = actions(p, "action")
		}
	}
	if len(decided) == 0 || len(k.members["internal/engine.FrameAction"]) == 0 {
		t.Fatal("got no actions of the engine, want those that its owners do")
	}
	seen := map[string]int{}
	for _, p := range pkgs {
		if !slices.Contains(wholeSwitches, p.path) {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SwitchStmt:
					group, left := k.missing(f, p.path, n)
					seen[p.path+" "+group]++
					if len(left) > 0 && !slices.Contains(anyNumber, group) && partial[f.path+": "+group] == "" {
						t.Errorf("%s: a switch over %s without %s", f.fset.Position(n.Pos()), group, strings.Join(left, ", "))
					}
				case *ast.TypeSwitchStmt:
					if left := unhandled(f, p.path, n, decided); len(left) > 0 && partial[f.path+": internal/engine.Action"] == "" {
						t.Errorf("%s: a switch over what the engine decides without %s", f.fset.Position(n.Pos()), strings.Join(left, ", "))
					}
				}
				return true
			})
		}
	}
	for _, place := range wholeSwitches {
		if seen[place+" internal/engine.FrameAction"] == 0 {
			t.Errorf("%s: found no switch over the verdicts of the engine: is the test blind?", place)
		}
	}
	for name := range partial {
		if file, _, _ := strings.Cut(name, ": "); !slices.Contains(wholeSwitches, path.Dir(file)) {
			t.Errorf("%s is in no package that is looked at", name)
		}
	}
}

func TestPartialSwitchesAreFound(t *testing.T) {
	const source = `package p
type k uint8
const ( a k = iota; b; c )
const ( x = 1; y = 2 )
func f(v k, n int) {
	switch v { case a, b: }
	switch v { case a, b: case c: }
	switch n { case x: default: }
	switch { case n > 1: }
}`
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := file{"p/p.go", syntax, fset}
	k := kindsOf([]pkg{{path: "p", files: []file{f}}})
	var got []string
	ast.Inspect(syntax, func(n ast.Node) bool {
		if s, ok := n.(*ast.SwitchStmt); ok {
			_, left := k.missing(f, "p", s)
			got = append(got, strings.Join(left, ","))
		}
		return true
	})
	if want := []string{"p.c", "", "p.y", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
