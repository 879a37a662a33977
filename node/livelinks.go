package node

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
)

// liveLinks are the links that run.
type liveLinks struct {
	mu    sync.Mutex
	links map[uint64]liveLink
	past  map[string]Traffic // of ended links, by transport
	ended bool
	empty chan struct{} // closed while there is none
}

type liveLink struct {
	*walker
	conn  transport.Conn
	since time.Time
}

func (s *liveLinks) init() {
	s.links, s.past, s.empty = make(map[uint64]liveLink), make(map[string]Traffic), make(chan struct{})
	close(s.empty)
}

func (s *liveLinks) add(w *walker, conn transport.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if len(s.links) == 0 {
		s.empty = make(chan struct{})
	}
	s.links[w.src] = liveLink{w, conn, time.Now()}
	return true
}

// admitted notes that a link has its place.
func (s *liveLinks) admitted(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.links[number]; ok {
		l.admitted.Store(true)
	}
}

// remove forgets a link, also as a source on the others.
func (s *liveLinks) remove(w *walker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.links[w.src]; ok {
		s.past[l.conn.Kind()] = l.traffic(s.past[l.conn.Kind()])
	}
	delete(s.links, w.src)
	for _, o := range s.links {
		o.link.Forget(w.src)
	}
	if len(s.links) == 0 {
		close(s.empty)
	}
}

// traffic adds what crossed the link.
func (l *liveLink) traffic(sum Traffic) Traffic {
	stats := l.link.Stats()
	sum.Transport = l.conn.Kind()
	sum.RxBytes += stats.RxBytes
	sum.TxBytes += stats.TxBytes
	sum.RxFrames += stats.RxFrames
	sum.TxFrames += stats.TxFrames
	return sum
}

// traffic returns what crossed all links so far, by transport. It never goes
// back: links and the sum of the ended ones are read as one.
func (s *liveLinks) traffic() []Traffic {
	s.mu.Lock()
	sums := maps.Clone(s.past)
	live := s.list(nil)
	s.mu.Unlock()
	for _, l := range live {
		sums[l.conn.Kind()] = l.traffic(sums[l.conn.Kind()])
	}
	all := slices.AppendSeq(make([]Traffic, 0, len(sums)), maps.Values(sums))
	slices.SortFunc(all, func(a, b Traffic) int { return cmp.Compare(a.Transport, b.Transport) })
	return all
}

func (s *liveLinks) all() []liveLink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list(make([]liveLink, 0, len(s.links)))
}

// again is all in the memory of list, which the caller clears when it is done.
func (s *liveLinks) again(list []liveLink) []liveLink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list(list[:0])
}

// list needs mu.
func (s *liveLinks) list(all []liveLink) []liveLink {
	for _, l := range s.links {
		all = append(all, l)
	}
	return all
}

func (s *liveLinks) closeAll(why reason.Reason) {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	for _, l := range s.all() {
		l.link.Close(why)
	}
}

// wait waits until no link runs.
func (s *liveLinks) wait(ctx context.Context) error {
	s.mu.Lock()
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return contextCause(ctx)
	}
}
