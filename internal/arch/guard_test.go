package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// guarded are the packages whose goroutines serve a program that did not start
// them: a panic in one must not end it.
var guarded = []string{"node", "transport/ws", "transport/mem", "transport/webrtc", "internal/link", "internal/ws", "internal/admin"}

// guardedElsewhere are calls that start what is guarded where it is made.
var guardedElsewhere = map[string]string{
	"internal/link/writer.go": "Link.Run gives the writer a guarded body",
}

// unguarded finds the goroutines that a file starts without a guard: go statements
// and calls of a method Go, but for those of guard.Do, and the node's task and vital.
func unguarded(f *ast.File) (all []token.Pos) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if !isGuard(n.Call) {
				all = append(all, n.Pos())
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" && len(n.Args) == 1 && !callsGuard(n.Args[0]) {
				all = append(all, n.Pos())
			}
		}
		return true
	})
	return all
}

func isGuard(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "guard" && s.Sel.Name == "Do"
}

// callsGuard says whether an argument is a function that does nothing but to call
// guard.Do.
func callsGuard(e ast.Expr) bool {
	f, ok := e.(*ast.FuncLit)
	if !ok || len(f.Body.List) != 1 {
		return false
	}
	s, ok := f.Body.List[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := s.X.(*ast.CallExpr)
	return ok && isGuard(call)
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

func TestUnguardedGoroutinesAreFound(t *testing.T) {
	const source = `package p
func f() {
	go f()
	go guard.Do("x", f, nil)
	wg.Go(f)
	wg.Go(func() { guard.Do("x", f, nil) })
	wg.Go(func() { f(); guard.Do("x", f, nil) })
	go func() { guard.Do("x", f, nil) }()
}`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(unguarded(f)); got != 4 {
		t.Errorf("got %d, want 4", got)
	}
}
