package session

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Table holds the sessions of one node with all its peers. See the package
// documentation for who may call what.
type Table struct {
	cfg    Config
	counts counts
	epoch  atomic.Pointer[time.Time]
	index  index
	timers timers
	frames framePool
	scores scores
	trips  roundTrips
	pacer  pacer
	waits  waitlist
	talked reached // those whose entry is gone
	linked reached // those that were linked

	marked, unsent atomic.Uint64 // see Overload

	networkKey atomic.Pointer[[]byte] // in the place of cfg.NetworkKey; nil: that one
	windows    *budget.Budget         // of what peers make this node remember; set at New

	randMu sync.Mutex // guards cfg.Rand

	// recent remembers the peer last used for each first byte of an ID, so that
	// sealing need not take mu. Written with mu held.
	recent [256]atomic.Pointer[peer]

	mu     sync.RWMutex // guards what follows; taken before the mu of a peer
	peers  map[wire.ID]*peer
	shares map[Ingress]*share // of the links, and their groups, that began some of peers
	floor  uint64             // above every message id of the peers that were dropped
	closed bool

	// owned by the control calls
	answers answers
	cookies cookieJar
	sweep   timer
	change  timer         // links have changed: see stir
	changed time.Duration // when that was looked at last
}

// counts are the message counts at which a session is renewed and not used any
// more. Tests lower them.
type counts struct{ rekey, hard uint64 }

// New returns an empty Table. It fails when the random source does.
func New(cfg Config) (*Table, error) {
	if cfg.Drops == nil {
		cfg.Drops = new(reason.Counters)
	}
	t := &Table{
		cfg:     cfg,
		counts:  counts{limits.RekeyMessages, limits.HardMessages},
		peers:   make(map[wire.ID]*peer),
		shares:  make(map[Ingress]*share),
		windows: windowBudget(cfg.Budget),
		talked:  reached{most: limits.ReachedPeers},
		linked:  reached{most: limits.ReachedLinks},
	}
	t.timers.arm = t.armed
	t.index.init()
	t.answers.init()
	var seed [8]byte
	if _, err := io.ReadFull(cfg.Rand, seed[:]); err != nil {
		return nil, fmt.Errorf("session table: %w", err)
	}
	// Ids begin anywhere, so that the answer to a request of an earlier start of
	// this node never fits a request of this one. Two bits stay free to count up.
	t.floor = binary.BigEndian.Uint64(seed[:])>>2 | 1
	return t, nil
}

// SetNetworkKey changes the key of a closed mesh for all handshakes that begin from
// now on. Sessions that are up keep their keys until they are renewed. Any goroutine.
func (t *Table) SetNetworkKey(key []byte) { t.networkKey.Store(&key) }

// keyOfNetwork is the key that handshakes are made with now.
func (t *Table) keyOfNetwork() []byte {
	if key := t.networkKey.Load(); key != nil {
		return *key
	}
	return t.cfg.NetworkKey
}

// at converts a time to the Table's own: the distance to a moment one hour
// before the first call. Zero means never.
func (t *Table) at(now time.Time) time.Duration {
	e := t.epoch.Load()
	if e == nil {
		first := now.Add(-time.Hour)
		t.epoch.CompareAndSwap(nil, &first)
		e = t.epoch.Load()
	}
	return max(now.Sub(*e), 1)
}

// time is the inverse of at.
func (t *Table) time(at time.Duration) time.Time { return t.epoch.Load().Add(at) }

// random fills b. A source that fails later than in New cannot be survived.
func (t *Table) random(b []byte) {
	t.randMu.Lock()
	defer t.randMu.Unlock()
	if _, err := io.ReadFull(t.cfg.Rand, b); err != nil {
		panic("session: the random source failed: " + err.Error())
	}
}

// drop counts r, unless it is None, and returns it.
func (t *Table) drop(r reason.Reason) reason.Reason {
	if r != reason.None {
		t.cfg.Drops.Add(r, 1)
	}
	return r
}

// find returns the entry of a peer, or nil. It takes no lock for a peer that
// was used lately.
func (t *Table) find(id *wire.ID) *peer {
	slot := &t.recent[id[0]]
	if p := slot.Load(); p != nil && wire.SameID(&p.id, id) {
		return p
	}
	t.mu.RLock()
	p := t.peers[*id]
	if p != nil {
		slot.Store(p) // with mu held, so that no dropped peer gets in
	}
	t.mu.RUnlock()
	return p
}

// ensure returns the entry of a peer and makes one if need be, which counts for
// the ingress link by which the peer began, if any. In a full Table another has
// to go for it; where none may, the reason is SessionLimit.
func (t *Table) ensure(id wire.ID, in Ingress, at time.Duration, fx *effects) (*peer, reason.Reason) {
	if id == t.cfg.Self {
		return nil, reason.OwnID
	}
	if p := t.find(&id); p != nil {
		return p, reason.None
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, reason.Closed
	}
	if p := t.peers[id]; p != nil {
		return p, reason.None
	}
	if len(t.peers) >= limits.Sessions {
		worst := t.yielding(in, at)
		if worst == nil {
			return nil, reason.SessionLimit
		}
		t.remove(worst, reason.SessionLimit, fx)
	}
	p := newPeer(t, id, t.charge(in), t.floor)
	p.since = at
	p.used.Store(int64(at))
	t.peers[id] = p
	return p, reason.None
}

// remove drops the entry of p: its sessions, its window and what waits in it,
// which ends with cause. mu is held.
func (t *Table) remove(p *peer, cause error, fx *effects) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	t.keep(p)
	t.trips.change(p.srtt, 0)
	p.endAll(cause, fx)
	p.dropSessions(fx)
	p.account.Close()
	p.windowed.Close()
	t.timers.remove(&p.timer)
	t.waits.leave(p)
	t.floor = max(t.floor, p.out.next)
	delete(t.peers, p.id)
	t.discharge(p.share)
	t.recent[p.id[0]].CompareAndSwap(p, nil)
}

// Len returns how many peers the Table has an entry for, at most limits.Sessions.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.peers)
}

// sorted returns all entries in the order of their IDs.
func (t *Table) sorted() []*peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all()
}

// all is sorted with mu held.
func (t *Table) all() []*peer {
	all := make([]*peer, 0, len(t.peers))
	for _, p := range t.peers {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *peer) int { return bytes.Compare(a.id[:], b.id[:]) })
	return all
}

// Close ends every pending message with reason.Closed and forgets all sessions.
// Later calls find an empty Table, and those that would fill it fail with
// reason.Closed. Any goroutine.
func (t *Table) Close(now time.Time) {
	t.at(now)
	var fx effects
	t.mu.Lock()
	t.closed = true
	for _, p := range t.all() {
		t.remove(p, reason.Closed, &fx)
	}
	t.mu.Unlock()
	fx.run(t)
}
