package session

import (
	"unsafe"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
)

// What is copied and waits for a peer is charged to the budget of the node, with
// the memory around it. So are windows; they have a part of that budget of their
// own, so that whoever opens many leaves the rest to what waits.

// affords says whether n bytes more may wait for p. mu is held.
func (p *peer) affords(n int) bool {
	return p.account.Fits(n+limits.MessageMemory, p.account.Held() == 0)
}

// charge brings the account of p up to date. mu is held.
func (p *peer) charge() {
	waiting := p.datagrams.bytes + cap(p.datagrams.list)*int(unsafe.Sizeof(waitingDatagram{}))
	p.account.Set(waiting + p.out.bytes + p.out.copied*limits.MessageMemory + p.windowed.Held())
}

// affordsWindow says whether the window may come to n bytes. A small one always
// may. mu is held.
func (p *peer) affordsWindow(n int) bool {
	return n <= limits.WindowFree || n <= p.windowed.Held() || p.windowed.Fits(n-p.windowed.Held(), false)
}

// chargeWindow brings the accounts of p up to date with its window. mu is held.
func (p *peer) chargeWindow() {
	n := p.in.held()
	if n <= limits.WindowFree {
		n = 0
	}
	if n != p.windowed.Held() {
		p.windowed.Set(n)
		p.charge()
	}
}

// windowBudget is what the windows of a Table may hold together.
func windowBudget(all *budget.Budget) *budget.Budget {
	if all == nil {
		return budget.New(limits.MemoryWaiting / limits.WindowPart)
	}
	return budget.New(all.Most() / limits.WindowPart)
}
