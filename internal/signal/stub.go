// Package signal stub.
package signal

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

type Table struct {
	self wire.ID
	m    map[wire.ID]wire.Session
	q    map[wire.ID][]string
	d    map[wire.ID]bool
	off  map[wire.ID]bool
}

func New(self wire.ID) *Table {
	return &Table{self, map[wire.ID]wire.Session{}, map[wire.ID][]string{}, map[wire.ID]bool{}, map[wire.ID]bool{}}
}

type Verdict struct {
	a, y   bool
	Reason reason.Reason
}

func (v Verdict) Accepted() bool { return v.a }
func (v Verdict) Yields() bool   { return v.y }

func (t *Table) Begin(now time.Time, peer wire.ID, s wire.Session) reason.Reason {
	if _, ok := t.m[peer]; ok {
		return reason.Duplicate
	}
	t.m[peer] = s
	t.off[peer] = true
	t.d[peer] = false
	t.q[peer] = nil
	return reason.None
}
func (t *Table) Offered(now time.Time, peer wire.ID, s wire.Session) Verdict {
	if _, ok := t.m[peer]; ok {
		if t.off[peer] && string(t.self[:]) < string(peer[:]) {
			return Verdict{y: true}
		}
	}
	t.m[peer] = s
	t.off[peer] = false
	t.d[peer] = false
	t.q[peer] = nil
	return Verdict{a: true}
}
func (t *Table) Answered(now time.Time, peer wire.ID, s wire.Session) bool { return t.m[peer] == s }
func (t *Table) Described(now time.Time, peer wire.ID, s wire.Session) []string {
	t.d[peer] = true
	return t.q[peer]
}
func (t *Table) Candidates(now time.Time, peer wire.ID, c *wire.Candidates) ([]string, reason.Reason) {
	if t.m[peer] != c.Session {
		return nil, reason.Unsolicited
	}
	if t.d[peer] {
		return c.Lines, reason.None
	}
	t.q[peer] = append(t.q[peer], c.Lines...)
	return nil, reason.None
}
func (t *Table) End(peer wire.ID, s wire.Session) {
	if t.m[peer] == s {
		delete(t.m, peer)
	}
}
