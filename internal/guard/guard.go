// Package guard keeps a panic in one goroutine from taking the process down. Each
// goroutine that a library starts, and each callback, runs under it: what panicked is logged with its
// stack and counted, and its owner is told, who ends the part that it was of.
package guard

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// Panic is what a goroutine ended with.
type Panic struct {
	What  string // the part that it was of
	Value any
	Stack []byte
}

// Error says what panicked and with what.
func (p *Panic) Error() string { return fmt.Sprintf("panic in %s: %v", p.What, p.Value) }

// loose counts the panics of which no node was told.
var loose atomic.Uint64

// Loose is how many panics of this process went to the default log alone: those of
// carriers, which know no node.
func Loose() uint64 { return loose.Load() }

// Loose counts p and writes it to the default log.
func (p *Panic) Loose() {
	loose.Add(1)
	p.Log(slog.Default())
}

// Do calls f. A panic in it goes to ended, or, if that is nil, is loose.
func Do(what string, f func(), ended func(*Panic)) {
	defer func() {
		if v := recover(); v != nil {
			p := &Panic{what, v, debug.Stack()}
			if ended == nil {
				p.Loose()
				return
			}
			ended(p)
		}
	}()
	f()
}

// Func returns f under a guard, for whoever calls it on a goroutine that is not
// started here: a timer, a context, a library.
func Func(what string, f func(), ended func(*Panic)) func() {
	return func() { Do(what, f, ended) }
}

// With is Func for a function of one argument.
func With[T any](what string, f func(T), ended func(*Panic)) func(T) {
	return func(v T) { Do(what, func() { f(v) }, ended) }
}

// Log writes it with its stack.
func (p *Panic) Log(to *slog.Logger) {
	to.Error("panic", "in", p.What, "value", fmt.Sprint(p.Value), "stack", string(p.Stack))
}
