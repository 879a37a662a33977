// Package budget bounds the bytes that a node holds for others: what waits on its
// links, for its sessions and for its ports, together.
//
// Whoever holds something has an [Account], charged with the memory that is really
// retained, not with the length of what is in it. An account may hold a part of
// what is still free, not a fixed number of bytes. So the fullest reaches its bound
// first, whoever holds little still finds room, and nobody has to be looked for:
// the dynamic thresholds of switches with shared memory (Choudhury and Hahne, 1998).
package budget

import (
	"sync/atomic"

	"github.com/peermesh/peermesh/internal/limits"
)

// Budget is what all accounts may hold together. Any goroutine.
type Budget struct {
	most int64
	used atomic.Int64
}

// New returns a budget of so many bytes.
func New(most int) *Budget { return &Budget{most: int64(most)} }

// Most is what the accounts may hold together.
func (b *Budget) Most() int { return int(b.most) }

// Used is what the accounts hold.
func (b *Budget) Used() int { return int(b.used.Load()) }

// Open opens an account. That of no budget is bounded by nothing.
func (b *Budget) Open() Account { return Account{budget: b} }

// Account is what one holder is charged with. It is guarded by the lock of its
// holder. The zero Account is bounded by nothing.
type Account struct {
	budget *Budget // nil: none, or closed
	held   int
}

// Set charges a with n bytes in place of what it is charged with now.
func (a *Account) Set(n int) {
	if more := n - a.held; more != 0 && a.budget != nil {
		a.budget.used.Add(int64(more))
		a.held = n
	}
}

// Held is what a is charged with.
func (a *Account) Held() int { return a.held }

// Close gives all back. What is set later is not charged.
func (a *Account) Close() {
	a.Set(0)
	a.budget = nil
}

// Share is how many bytes a may hold now, in all: a part of what is free. It may
// be less than it holds.
func (a *Account) Share() int {
	if a.budget == nil {
		return int(^uint(0) >> 1)
	}
	return a.share(a.free())
}

// Fits says whether a may hold n bytes more. An idle one, on which nothing waits,
// may take whatever is free.
func (a *Account) Fits(n int, idle bool) bool {
	if a.budget == nil {
		return true
	}
	free := a.free()
	return a.held+n <= a.share(free) || idle && n <= free
}

// share leaves limits.BudgetReserve to the idle.
func (a *Account) share(free int) int {
	return max(0, free-int(a.budget.most)/limits.BudgetReserve) / limits.BudgetPart
}

func (a *Account) free() int { return int(a.budget.most - a.budget.used.Load()) }
