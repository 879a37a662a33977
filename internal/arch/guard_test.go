package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// guarded are the packages whose goroutines serve a program that did not start
// them: a panic in one must not end it.
var guarded = []string{
	"node", "transport/ws", "transport/mem", "transport/webrtc", "internal/link", "internal/ws", "internal/httpbound", "internal/admin", "dgram",
}

// guardedElsewhere are calls that start what is guarded where it is made.
var guardedElsewhere = map[string]string{
	"internal/link/writer.go": "Link.Run gives the writer a guarded body",
}

// callbackLibraries call functions that they are given, On…, on goroutines of their
// own.
var callbackLibraries = []string{"github.com/pion/"}

// unguarded finds the functions that a file has run on goroutines of their own
// without a guard: go statements, calls of a method Go, but for those of guard.Do,
// and the node's task and vital, what timers and contexts call, and callbacks. Two
// are safe: a method value that a guard has made, and a function that calls guard.Do
// alone. What handles a request of net/http is for TestEveryServerIsBounded.
func unguarded(f *ast.File) (all []token.Pos) {
	callbacks := slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool {
		return slices.ContainsFunc(callbackLibraries, func(l string) bool { return strings.HasPrefix(i.Path.Value, `"`+l) })
	})
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if !isGuard(n.Call, "Do") {
				all = append(all, n.Pos())
			}
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 {
				return true
			}
			switch run := n.Args[len(n.Args)-1]; {
			case callsGuard(run):
			case s.Sel.Name == "Go" && len(n.Args) == 1, s.Sel.Name == "AfterFunc", callbacks && len(n.Args) == 1 && isCallback(s.Sel.Name):
				all = append(all, n.Pos())
			}
		}
		return true
	})
	return all
}

// isCallback reports whether a method of a library takes a function to be called
// later.
func isCallback(name string) bool {
	return len(name) > 2 && name[:2] == "On" && ast.IsExported(name[2:])
}

func isGuard(call *ast.CallExpr, name string) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "guard" && s.Sel.Name == name
}

// callsGuard says whether an argument is a function that does nothing but to call
// guard.Do, or one that guard.Func or guard.With made.
func callsGuard(e ast.Expr) bool {
	if call, ok := e.(*ast.CallExpr); ok {
		return isGuard(call, "Func") || isGuard(call, "With")
	}
	f, ok := e.(*ast.FuncLit)
	if !ok || len(f.Body.List) != 1 {
		return false
	}
	s, ok := f.Body.List[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := s.X.(*ast.CallExpr)
	return ok && isGuard(call, "Do")
}

func TestEveryGoroutineHasItsGuard(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		if !slices.Contains(guarded, p.path) {
			continue
		}
		seen++
		for _, f := range p.files {
			for _, pos := range unguarded(f.syntax) {
				if _, ok := guardedElsewhere[f.path]; !ok {
					t.Errorf("%s: a goroutine without a guard: a panic in it ends the program", f.fset.Position(pos))
				}
			}
		}
	}
	if seen != len(guarded) {
		t.Errorf("got %d of the packages %v, want all", seen, guarded)
	}
}

// What serves HTTP is made by internal/httpbound, which bounds it and guards its
// handlers: net/http recovers their panics, and tells a log that nobody reads.
func TestEveryServerIsBounded(t *testing.T) {
	for _, p := range packages(t) {
		if p.path == "internal/httpbound" || !slices.Contains(guarded, p.path) {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					x, ok := s.X.(*ast.Ident)
					if ok && x.Name == "http" && slices.Contains([]string{"Serve", "ServeTLS", "ListenAndServe", "ListenAndServeTLS"}, s.Sel.Name) {
						t.Errorf("%s: http.%s without bounds and guard", f.fset.Position(n.Pos()), s.Sel.Name)
					}
				}
				lit, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				if s, ok := lit.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Server" {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "http" {
						t.Errorf("%s: an http.Server without bounds and guard", f.fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

func TestUnguardedGoroutinesAreFound(t *testing.T) {
	const source = `package p
import "github.com/pion/webrtc"
func f() {
	go f()
	go guard.Do("x", f, nil)
	wg.Go(f)
	wg.Go(func() { guard.Do("x", f, nil) })
	wg.Go(func() { f(); guard.Do("x", f, nil) })
	go func() { guard.Do("x", f, nil) }()
	time.AfterFunc(1, f)
	time.AfterFunc(1, guard.Func("x", f, nil))
	context.AfterFunc(ctx, func() { f() })
	context.AfterFunc(ctx, func() { guard.Do("x", f, nil) })
	pc.OnOpen(f)
	pc.OnState(guard.With("x", g, nil))
	pc.Once(f)
}`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(unguarded(f)); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
}
