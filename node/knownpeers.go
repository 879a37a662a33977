package node

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	there   bool        // the file is there, or was
}

// askContacts asks the loop for the engine's contacts.
type askContacts struct {
	engine.Wake
	answer chan []engine.Contact // capacity 1
}

// loadKnownPeers reads the file. One that is damaged is warned of and left alone
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
		n.known.there = true
		n.setWarning(partKnownPeers, Warning{
			Part: partKnownPeers, Text: fmt.Sprintf("the known peers in %s cannot be read, so the node started without them: %v", n.known.path, err),
			Hint: "nothing: the file is written anew once the node has met somebody; until then it needs its bootstrap URLs", Since: n.started, Broken: true,
		})
	default:
		n.known.peers, n.known.there = peers, true
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
	n.task("the state directory", n.keepStateDir)
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
	now := time.Now()
	if !n.lookAtState(now) {
		return // they are kept in memory, and written once the directory is right again
	}
	switch wrote, err := n.known.save(contacts, live, now, last); {
	case err != nil:
		n.setWarning(partKnownPeers, Warning{
			Part: partKnownPeers, Text: fmt.Sprintf("the known peers cannot be written to %s: %v", n.known.path, rootCause(err)),
			Hint: writeHint(err), Since: now, Broken: true,
		})
	case wrote:
		n.clearWarning(partKnownPeers, now)
	}
}

// rootCause is an error without the path of a temporary file, which is another each
// time.
func rootCause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return l.Err
	}
	return err
}

// missing says that the file is gone.
func (k *knownPeers) missing() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := os.Lstat(k.path)
	return k.there && errors.Is(err, fs.ErrNotExist)
}

// save writes the peers if there is something new about them, or the file is gone.
func (k *knownPeers) save(contacts []engine.Contact, live map[routing.ID]bool, now time.Time, last bool) (wrote bool, err error) {
	gone := k.missing()
	k.mu.Lock()
	defer k.mu.Unlock()
	met := k.merge(contacts, live, now)
	if !k.changed && !gone && !(last && met) {
		return false, nil
	}
	if err = writeKnownPeers(k.path, k.peers); err == nil {
		k.there = true
	}
	k.changed = err != nil
	return err == nil, err
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
