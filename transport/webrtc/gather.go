//go:build !nowebrtc

package webrtc

import (
	"net/netip"
	"slices"
	"sync"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/limits"
)

// gathering collects what an end may tell of itself: first for its
// description, later for the channel of late candidates.
type gathering struct {
	tell      func(netip.Addr) bool
	reflexive func(netip.Addr) // told each address that a server saw; must not block
	complete  chan struct{}    // closed when there is nothing more to come

	own []netip.Prefix // this machine's addresses, told or not

	mu       sync.Mutex
	hosts    int         // of told
	told     int         // so far, limits.Candidates at most
	first    []string    // for the description
	late     chan string // what comes after it; never full
	isLate   bool        // the description is made
	finished bool        // complete and late are closed, or will be with the description
	ended    bool        // late is closed
}

func newGathering(own []netip.Prefix, tell func(netip.Addr) bool, reflexive func(netip.Addr)) *gathering {
	return &gathering{
		own: own, tell: tell, reflexive: reflexive, complete: make(chan struct{}),
		late: make(chan string, limits.Candidates),
	}
}

// found is called for each candidate by one goroutine at a time, with nil at
// the end.
func (g *gathering) found(c *pion.ICECandidate) {
	if c == nil {
		g.finish()
		return
	}
	own, ok, err := parseCandidate(c.ToJSON().Candidate)
	if err != nil || !ok {
		return
	}
	if own.typ == typeSrflx {
		g.reflexive(own.addr.Addr())
	}
	if own.typ != typeHost || g.tell(own.addr.Addr()) {
		g.add(own)
	}
}

// isOwn says whether an address is one of this machine's.
func (g *gathering) isOwn(a netip.Addr) bool {
	return slices.ContainsFunc(g.own, func(p netip.Prefix) bool { return p.Addr() == a })
}

func (g *gathering) add(c candidate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	host := c.typ == typeHost
	if g.finished || g.told == limits.Candidates || host && g.hosts == limits.HostCandidates {
		return
	}
	g.told++
	if host {
		g.hosts++
	}
	if g.isLate {
		g.late <- c.String()
	} else {
		g.first = append(g.first, c.String())
	}
}

// describe returns what was found so far and whether that is all; what comes
// later goes to the channel.
func (g *gathering) describe() (lines []string, all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isLate = true
	if g.finished {
		g.end()
	}
	return g.first, g.finished
}

// finish says that there is nothing more to come.
func (g *gathering) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.finished {
		return
	}
	g.finished = true
	close(g.complete)
	if g.isLate {
		g.end()
	}
}

// stop is finish, and closes the channel in any case.
func (g *gathering) stop() {
	g.finish()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end()
}

// end closes the channel of late candidates, with the lock held.
func (g *gathering) end() {
	if !g.ended {
		g.ended = true
		close(g.late)
	}
}
