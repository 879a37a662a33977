package node

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/routing"
)

// knownPeersFile keeps, in the state directory, whom a node was linked with: it
// finds its mesh again by them when no bootstrap answers.
const knownPeersFile = "peers"

// knownPeer is a peer to come back to.
type knownPeer struct {
	engine.Contact
	linked time.Time // when a link with it was seen last
}

// knownPeers are the peers of the file and those met since.
type knownPeers struct {
	path string

	mu      sync.Mutex
	peers   []knownPeer // the one linked last comes first
	changed bool        // since they were written
	failing bool        // the last write came to nothing
}

// askContacts asks the loop for the engine's contacts.
type askContacts struct {
	engine.Wake
	answer chan []engine.Contact // capacity 1
}

// loadKnownPeers reads the file. One that is damaged is told of and left alone
// until it is written anew: the node starts without.
func (n *Node) loadKnownPeers() {
	if n.cfg.StateDir == "" {
		return
	}
	n.known = &knownPeers{path: filepath.Join(n.cfg.StateDir, knownPeersFile)}
	peers, err := readKnownPeers(n.known.path, n.started)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		n.log.Warn("the known peers cannot be read; the node starts without them", "file", n.known.path, "err", err)
	default:
		n.known.peers = peers
		n.log.Debug("known peers read", "count", len(peers))
	}
}

// startKnownPeers gives the engine what was read, and keeps the file up to date.
func (n *Node) startKnownPeers() {
	if n.known == nil {
		return
	}
	contacts := make([]engine.Contact, len(n.known.peers))
	for i, p := range n.known.peers {
		contacts[i] = p.Contact
	}
	if len(contacts) > 0 {
		n.post(engine.Known{Contacts: contacts})
	}
	n.task("the known peers", n.keepKnownPeers)
}

// keepKnownPeers writes the known peers while the node runs, and ends with it.
func (n *Node) keepKnownPeers() {
	if !n.firstLink() {
		return
	}
	timer := time.NewTimer(limits.KnownPeersFirst)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			n.saveKnownPeers(false)
			timer.Reset(limits.KnownPeersWrite)
		case <-n.ctx.Done():
			return
		}
	}
}

// firstLink waits for the first link; false: the node has ended.
func (n *Node) firstLink() bool {
	for {
		_, changed := n.state.look()
		if len(n.live.all()) > 0 {
			return true
		}
		select {
		case <-changed:
		case <-n.ctx.Done():
			return false
		}
	}
}

// saveKnownPeers writes the known peers if they changed; at the end of the node
// also when only the times did.
func (n *Node) saveKnownPeers(last bool) {
	if n.known == nil {
		return
	}
	contacts, ok := n.contacts()
	if !ok {
		return
	}
	live := make(map[routing.ID]bool)
	for _, l := range n.live.all() {
		live[l.link.Peer] = true
	}
	failed, err := n.known.save(contacts, live, time.Now(), last)
	if failed {
		n.log.Warn("the known peers cannot be written; it is tried again", "file", n.known.path, "err", err)
	}
}

// save writes the peers if there is something new about them. fresh says that
// the error was not there the time before.
func (k *knownPeers) save(contacts []engine.Contact, live map[routing.ID]bool, now time.Time, last bool) (fresh bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	met := k.merge(contacts, live, now)
	if !k.changed && !(last && met) {
		return false, nil
	}
	err = writeKnownPeers(k.path, k.peers)
	fresh = err != nil && !k.failing
	k.changed, k.failing = err != nil, err != nil
	return fresh, err
}

// contacts asks the loop; false: the node has ended.
func (n *Node) contacts() ([]engine.Contact, bool) {
	ask := askContacts{answer: make(chan []engine.Contact, 1)}
	if !n.post(ask) {
		return nil, false
	}
	select {
	case c := <-ask.answer:
		return c, true
	case <-n.ctx.Done():
		return nil, false
	}
}

// merge notes the contacts of now, those with a live link as linked now, and
// keeps the ones linked last. met says whether there was a live one.
func (k *knownPeers) merge(contacts []engine.Contact, live map[routing.ID]bool, now time.Time) (met bool) {
	at := make(map[routing.ID]int, len(k.peers))
	for i, p := range k.peers {
		at[p.ID] = i
	}
	news := make(map[routing.ID]bool)
	for _, c := range contacts {
		if c.Leaf || len(c.URLs) == 0 || c.Scopes == 0 {
			continue
		}
		i, known := at[c.ID]
		if !known {
			i = len(k.peers)
			at[c.ID] = i
			k.peers = append(k.peers, knownPeer{})
		}
		p := &k.peers[i]
		news[c.ID] = !sameContact(&p.Contact, &c)
		p.Contact = c
		if live[c.ID] {
			p.linked, met = now, true
		}
	}
	slices.SortStableFunc(k.peers, func(a, b knownPeer) int { return cmp.Compare(b.linked.Unix(), a.linked.Unix()) })
	k.peers = k.peers[:min(len(k.peers), limits.KnownPeers)]
	k.changed = k.changed || slices.ContainsFunc(k.peers, func(p knownPeer) bool { return news[p.ID] })
	return met
}

// sameContact says whether both lead to the same place. A record signed anew
// does not matter: the file keeps what the old one said.
func sameContact(a, b *engine.Contact) bool {
	return a.ID == b.ID && a.Scopes == b.Scopes && slices.Equal(a.URLs, b.URLs) && (len(a.Record) > 0) == (len(b.Record) > 0)
}
