// Package guard keeps a panic in one goroutine from taking the process down. Each
// goroutine that a library starts runs under it: what panicked is logged with its
// stack and counted, and its owner is told, who ends the part that it was of.
package guard

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Panic is what a goroutine ended with.
type Panic struct {
	What  string // the part that it was of
	Value any
	Stack []byte
}

// Error says what panicked and with what.
func (p *Panic) Error() string { return fmt.Sprintf("panic in %s: %v", p.What, p.Value) }

// Do calls f. A panic in it goes to ended, or to the default log if that is nil.
func Do(what string, f func(), ended func(*Panic)) {
	defer func() {
		if v := recover(); v != nil {
			p := &Panic{what, v, debug.Stack()}
			if ended == nil {
				p.Log(slog.Default())
				return
			}
			ended(p)
		}
	}()
	f()
}

// Log writes it with its stack.
func (p *Panic) Log(to *slog.Logger) {
	to.Error("panic", "in", p.What, "value", fmt.Sprint(p.Value), "stack", string(p.Stack))
}
