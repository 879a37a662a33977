package engine

import (
	"bytes"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// known is a relay that a signed record told of.
//
// A node keeps many. Their times are those of Engine.clock, a third of the size.
type known struct {
	Contact
	key      routing.Key
	sequence uint64
	heard    time.Duration // of it, last
	linked   time.Duration // when a link with it was up last; 0: never
	next     time.Duration // no dial before
	micros   uint32        // round trip, as a link or its handshake showed last; 0: not measured
	failures uint8         // dials in a row, at most maxFailures
	dialing  bool
	needed   bool // that dial
	trial    bool // it is made to see whether the link is faster than another
	brief    bool // the last link that this node dialled ended before the peer had taken it
	forPeer  bool // it is made because the peer asked for it
	direct   bool // it is for a direct link
	hot      bool // and one that nobody asked for
	carried  bool // it is over WebRTC
	webRTC   bool // can be dialled so
	noURL    bool // and not otherwise
}

const maxFailures = 255

// addresses are the URLs of its record, if there is one.
func (k *known) addresses() []string {
	if k.URLs != nil || k.Record == nil {
		return k.URLs
	}
	rec, err := wire.ParseRecord(k.Record)
	if err != nil {
		return nil // not reached: it was verified
	}
	c, _ := wire.ParseContact(rec.Body)
	return addresses(c.URLs)
}

// urls are the addresses and, behind them, the URL by WebRTC.
func (k *known) urls() []string {
	if k.webRTC {
		return append(slices.Clip(k.addresses()), WebRTCURL(k.ID))
	}
	return k.addresses()
}

// contact is what others are told of k.
func (k *known) contact() Contact {
	c := k.Contact
	c.URLs = k.urls()
	return c
}

// rtt is the round trip as far as it is known; 0: nobody measured it.
func (k *known) rtt() time.Duration { return time.Duration(k.micros) * time.Microsecond }

// clock is how long the engine has been running, and never 0.
func (e *Engine) clock(now time.Time) time.Duration { return now.Sub(e.started) + 1 }

// book holds the contacts, at most max of them.
type book struct {
	byID map[routing.ID]*known
	list []*known // in the order they were first heard of
	max  int
}

func (b *book) init(links int) {
	b.byID = make(map[routing.ID]*known)
	b.max = max(limits.ContactsMin, limits.ContactsPerLink*links)
}

// learn takes a contact record that somebody told of, whose word on addresses is
// good for these scopes. It keeps a copy. It returns nil for one that is of no
// use here.
func (e *Engine) learn(now time.Time, raw []byte, told Scopes) *known {
	k, err := e.contactTold(now, raw, told)
	if err != nil {
		e.cfg.Drops.Add(reason.BadRecord, 1)
	}
	return k
}

// learnFrom is learn of what a neighbour itself said.
func (e *Engine) learnFrom(now time.Time, n *neighbour, raw []byte) {
	if _, err := e.contactTold(now, raw, n.from.Scope.Told()); err != nil {
		e.cfg.Drops.Add(reason.BadRecord, 1)
		e.blame(now, n, err)
	}
}

func (e *Engine) contactTold(now time.Time, raw []byte, told Scopes) (*known, error) {
	rec, err := wire.ParseRecord(raw)
	if err != nil {
		return nil, err
	}
	id := routing.ID(identity.IDOf(rec.Public))
	if id == e.cfg.Self {
		return nil, nil
	}
	k := e.book.byID[id]
	if k != nil && bytes.Equal(k.Record, raw) {
		k.heard = e.clock(now)
		k.Scopes |= told
		return k, nil
	}
	rec, signer, err := e.cfg.Verify(raw, now)
	switch {
	case err != nil:
		return nil, err
	case rec.Kind != wire.RecordContact:
		return nil, reason.BadRecord
	case k != nil && rec.Sequence <= k.sequence:
		return k, nil
	}
	c, err := wire.ParseContact(rec.Body)
	if err != nil {
		return nil, err
	}
	contact := Contact{ID: routing.ID(signer), URLs: addresses(c.URLs), Scopes: told}
	if c.WebRTC {
		contact.URLs = append(contact.URLs, WebRTCURL(contact.ID))
	}
	if c.Role != wire.RoleRelay || !e.dialable(contact.URLs) || !now.Before(identity.HeldUntil(&rec, now, rec.TTL)) {
		return nil, nil
	}
	contact.Record = bytes.Clone(raw)
	return e.note(now, contact, rec.Sequence), nil
}

func (e *Engine) dialable(urls []string) bool {
	return slices.ContainsFunc(urls, e.canDial)
}

func (e *Engine) canDial(url string) bool { return e.mayDial(url, AllScopes) }

func (e *Engine) mayDial(url string, scopes Scopes) bool {
	if e.cfg.WebRTC == WebRTCOff && isWebRTC(url) {
		return false
	}
	return e.cfg.Dialable == nil || e.cfg.Dialable(url, scopes)
}

// urlsOf are the URLs of a contact that are worth a dial. Where none leads to
// where it may, the dial says so.
func (e *Engine) urlsOf(k *known) []string {
	for _, scopes := range []Scopes{k.Scopes, AllScopes} {
		var urls []string
		for _, u := range k.urls() {
			if e.mayDial(u, scopes) {
				urls = append(urls, u)
			}
		}
		if len(urls) > 0 {
			return urls
		}
	}
	return nil
}

// note enters a contact, or brings the one of the same ID up to date.
func (e *Engine) note(now time.Time, c Contact, sequence uint64) *known {
	k := e.book.byID[c.ID]
	if k == nil {
		k = &known{key: c.ID.Key()}
		if len(e.book.list) >= e.book.max && !e.forgetOne(k.key) {
			return nil
		}
		e.book.byID[c.ID] = k
		e.book.list = append(e.book.list, k)
	}
	own := WebRTCURL(c.ID)
	webRTC := slices.Contains(c.URLs, own) && e.canDial(own)
	c.URLs = addresses(c.URLs)
	same := k.webRTC == webRTC && slices.Equal(k.addresses(), c.URLs)
	k.webRTC, k.noURL = webRTC, webRTC && !e.dialable(c.URLs)
	if same {
		c.Scopes |= k.Scopes
	} else { // another place: its failures are not those of the old one
		k.failures, k.next = 0, 0
	}
	if sequence > 0 {
		c.URLs = nil // the record has them
	}
	k.Contact, k.sequence, k.heard = c, sequence, e.clock(now)
	return k
}

// faults are its failures, as far as they speak against it: see spoken.
func (k *known) faults() uint8 {
	if k.noURL {
		return 0
	}
	return k.failures
}

// forgetOne makes room for a contact with that Key: of those that are neither
// linked nor being dialled the one that failed most goes, then one of the bucket
// that is fullest, the one heard of longest ago.
func (e *Engine) forgetOne(fresh routing.Key) bool {
	self := e.cfg.Self.Key()
	var fill [routing.KeyBits + 1]int
	for _, k := range e.book.list {
		fill[self.CommonPrefixLen(k.key)]++
	}
	fill[self.CommonPrefixLen(fresh)]++
	var worst *known
	for _, k := range e.book.list {
		if k.dialing || e.links.linked(k.ID) {
			continue
		}
		if worst == nil || k.faults() > worst.faults() || k.faults() == worst.faults() &&
			(fill[self.CommonPrefixLen(k.key)] > fill[self.CommonPrefixLen(worst.key)] ||
				fill[self.CommonPrefixLen(k.key)] == fill[self.CommonPrefixLen(worst.key)] && k.heard < worst.heard) {
			worst = k
		}
	}
	if worst == nil {
		return false
	}
	e.book.drop(worst)
	return true
}

func (b *book) drop(k *known) {
	delete(b.byID, k.ID)
	b.list = slices.DeleteFunc(b.list, func(o *known) bool { return o == k })
}

// failed notes that a dial came to nothing: the next one waits, longer each
// time. Who could not be reached again and again is forgotten.
func (e *Engine) failed(now time.Time, k *known, refused bool) {
	if !refused && e.blameless(now) {
		k.next = e.clock(now) + e.jitter(limits.RepairJitter)
		return
	}
	k.failures = min(k.failures, maxFailures-1) + 1
	lost := k.linked != 0 && e.clock(now)-k.linked < limits.ContactLost
	longest := limits.ContactRetryMax
	if lost {
		longest = limits.ContactRetryLost
	}
	pause := min(limits.ContactRetry<<min(k.failures-1, 16), longest)
	if refused {
		pause = limits.ContactRefused
		k.failures = 1
	}
	k.next = e.clock(now) + pause/2 + e.jitter(pause/2)
	if !lost && k.failures >= limits.ContactFailures && !k.dialing && !e.spoken(now, k) {
		e.book.drop(k)
	}
}

// spoken says that others go on to tell of a contact that can be dialled over
// WebRTC alone: it lives, and the NATs between it and this node may never let a
// link come up. Who forgot it would learn of it and try it all over again.
func (e *Engine) spoken(now time.Time, k *known) bool {
	return k.noURL && e.clock(now)-k.heard < limits.ContactLost
}

// Contacts are the relays worth coming back to after a restart: those linked
// now, and those linked last. Who can be dialled only through the mesh is not.
func (e *Engine) Contacts() []Contact {
	var all []Contact
	for _, live := range []bool{true, false} {
		for _, k := range e.book.list {
			if urls := k.addresses(); k.linked != 0 && live == e.links.linked(k.ID) && len(urls) > 0 {
				c := k.Contact
				c.URLs = urls
				all = append(all, c)
			}
		}
	}
	return all
}

func (ev Known) step(e *Engine, now time.Time) {
	for _, c := range ev.Contacts {
		if c.ID == e.cfg.Self || c.Leaf || !e.dialable(c.URLs) {
			continue
		}
		if c.Scopes == 0 {
			c.Scopes = AllScopes // this node itself was there
		}
		if k := e.note(now, c, 0); k != nil {
			k.linked = e.clock(now) // a lost peer, as after a cut
		}
	}
	e.fillSoon(now, 0)
}
