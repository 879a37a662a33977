package session

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// index finds what a receiver index stands for. Lookup takes no lock. The low
// bits of an index are its place and the high bits are random, so that an index
// of a session long gone hardly ever fits another.
type index struct {
	table atomic.Pointer[[]atomic.Pointer[slot]]
	mu    sync.Mutex // guards writing; taken last
	used  int
}

// slot is what an index stands for: one of the three.
type slot struct {
	index   uint32
	session *session
	answer  *answer     // as responder, before message 3
	init    *initiation // as initiator, before message 2
}

// indexStart is how many places there are at first. The table doubles when half of it is used.
const indexStart = 64

func (x *index) init() {
	first := make([]atomic.Pointer[slot], indexStart)
	x.table.Store(&first)
}

// find returns the slot of i, or nil.
func (x *index) find(i uint32) *slot {
	table := *x.table.Load()
	if s := table[i&uint32(len(table)-1)].Load(); s != nil && s.index == i {
		return s
	}
	return nil
}

// add gives s an index and publishes it.
func (x *index) add(t *Table, s *slot) uint32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.grow()
	x.used++
	table := *x.table.Load()
	for {
		var b [4]byte
		t.random(b[:])
		i := binary.BigEndian.Uint32(b[:])
		place := &table[i&uint32(len(table)-1)]
		if i != 0 && place.Load() == nil {
			s.index = i
			place.Store(s)
			return i
		}
	}
}

// grow doubles the table when half of it is used. Places stay distinct: those
// that differ in the old low bits differ in the new ones.
func (x *index) grow() {
	old := *x.table.Load()
	if 2*x.used < len(old) {
		return
	}
	next := make([]atomic.Pointer[slot], 2*len(old))
	for n := range old {
		if s := old[n].Load(); s != nil {
			next[s.index&uint32(len(next)-1)].Store(s)
		}
	}
	x.table.Store(&next)
}

// replace lets an index that is in use stand for s from now on.
func (x *index) replace(i uint32, s *slot) {
	x.mu.Lock()
	defer x.mu.Unlock()
	table := *x.table.Load()
	if place := &table[i&uint32(len(table)-1)]; place.Load() != nil && place.Load().index == i {
		s.index = i
		place.Store(s)
	}
}

// remove frees an index.
func (x *index) remove(i uint32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	table := *x.table.Load()
	if place := &table[i&uint32(len(table)-1)]; place.Load() != nil && place.Load().index == i {
		place.Store(nil)
		x.used--
	}
}
