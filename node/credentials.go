package node

import (
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// credentials prove the node's identity: the identity key, this start's Noise
// key and its certificate.
type credentials struct {
	identity *identity.Identity
	static   identity.Static

	mu       sync.Mutex
	cert     []byte
	certLife halfLife
	sequence map[wire.RecordKind]uint64 // of the last record signed of each kind
	contacts ownContacts
}

// ownContacts remembers which contact records this process signed, so that one
// that another process signed with the same key can be told from them.
type ownContacts struct {
	floor uint64 // of sequences up to here nothing is known: signed before the start, or forgotten
	last  []uint64
}

func (o *ownContacts) add(sequence uint64) {
	if o.floor == 0 {
		o.floor = sequence - 1
	}
	if len(o.last) >= limits.OwnContacts {
		o.floor, o.last = max(o.floor, o.last[0]), o.last[1:]
	}
	o.last = append(o.last, sequence)
}

// maySign says whether a contact record of this key with that sequence may be
// this process's, or one of an earlier start.
func (c *credentials) maySign(sequence uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.contacts
	return o.floor == 0 || sequence <= o.floor || slices.Contains(o.last, sequence)
}

// halfLife tells when something signed is to be signed again: at half of its
// life, or when the machine's clock was set back since. It goes by the wall clock,
// which is what others judge by, and not by the time that has passed here.
type halfLife struct{ signed, renew time.Time }

// over says whether it is time; then a life begins now.
func (h *halfLife) over(now time.Time, life time.Duration) bool {
	now = now.Round(0) // the wall clock alone
	if now.Before(h.renew) && !now.Before(h.signed) {
		return false
	}
	h.signed, h.renew = now, now.Add(life/2)
	return true
}

// LoadID returns the ID that a node with this Config.StateDir has, and makes the
// identity if there is none; of "" one that no node will have. It starts
// nothing, so it may be called while that node runs.
func LoadID(stateDir string) (routing.ID, error) {
	id, err := loadIdentity(stateDir)
	if err != nil {
		return routing.ID{}, err
	}
	return routing.ID(id.ID()), nil
}

func loadIdentity(stateDir string) (*identity.Identity, error) {
	if stateDir == "" {
		return identity.New(rand.Reader)
	}
	id, _, err := identity.LoadOrCreate(stateDir, rand.Reader)
	return id, err
}

func (c *credentials) init(cfg Config, now time.Time) (err error) {
	c.sequence = make(map[wire.RecordKind]uint64)
	if c.identity, err = loadIdentity(cfg.StateDir); err != nil {
		return err
	}
	c.static, err = identity.NewStatic(rand.Reader)
	return err
}

// StateInUseError is why a node does not start whose StateDir another node has,
// of this process or another: two with one identity take each other's links.
type StateInUseError = identity.DirInUseError

// lockState makes the state directory this node's alone. Where there are no locks
// the node starts without, and beginStateDir warns of it.
func (n *Node) lockState() error {
	if n.cfg.StateDir == "" {
		return nil
	}
	lock, err := identity.LockDir(n.cfg.StateDir)
	if errors.Is(err, identity.ErrNoLocks) {
		return nil
	}
	n.stateLock = lock
	return err
}

func (n *Node) unlockState() {
	if n.stateLock != nil {
		_ = n.stateLock.Close() // the lock goes in any case
	}
}

// at returns the Noise key and its certificate, renewed at half of its life.
func (c *credentials) at(now time.Time) (identity.Static, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certLife.over(now, limits.CertLife) {
		cert := c.identity.Certify(c.static.Public, now)
		c.cert = wire.AppendCert(nil, &cert)
	}
	return c.static, c.cert
}

// recordLives are how many seconds a record of this node may live.
var recordLives = map[wire.RecordKind]time.Duration{
	wire.RecordContact: limits.ContactTTL, wire.RecordAttachment: limits.AttachmentTTL, wire.RecordTopic: limits.TopicTTL,
}

// sign signs a record of this node. A record that was signed while the clock was
// so far ahead that nobody with a right one took it does not count: the sequence
// begins again at what the time is now.
func (c *credentials) sign(kind wire.RecordKind, now time.Time, ttl uint16, body []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.sequence[kind]
	if taken := now.Add(limits.ClockTolerance + recordLives[kind]*time.Second); last > uint64(max(taken.UnixMilli(), 0)) {
		last = 0
	}
	c.sequence[kind] = identity.NextSequence(last, now)
	if kind == wire.RecordContact {
		c.contacts.add(c.sequence[kind])
	}
	return c.identity.Sign(kind, c.sequence[kind], ttl, body)
}

// contact is what others may know of this node, signed again at half of its life.
func (n *Node) contact(now time.Time) []byte {
	c := &n.contactRecord
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.over(now, limits.ContactTTL*time.Second) {
		c.urls = n.URLs()
		body := wire.Contact{Role: wire.RoleRelay, URLs: c.urls, WebRTC: n.rtc.endpoint != nil, STUN: n.rtc.stunPort()}
		if n.cfg.Leaf {
			body.Role = wire.RoleLeaf
		}
		c.record = n.creds.sign(wire.RecordContact, now, limits.ContactTTL, wire.AppendContact(nil, &body))
	}
	return c.record
}

// contactRecord is the record signed last.
type contactRecord struct {
	mu     sync.Mutex
	record []byte
	urls   []string // that it tells
	life   halfLife
}

// outdated has the record signed anew if it does not tell these URLs.
func (c *contactRecord) outdated(urls []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record == nil || slices.Equal(c.urls, urls) {
		return false
	}
	c.life = halfLife{}
	return true
}

// local is what the node says of itself on a new link.
func (n *Node) local(now time.Time) *link.Local {
	static, cert := n.creds.at(now)
	return &link.Local{
		ID: wire.ID(n.id), Static: static, NetworkKey: n.networkKey(), Rand: rand.Reader, Clock: time.Now,
		Prove: n.creds.identity.Prove,
		Hello: wire.Hello{
			Version: link.Version, Cert: cert, Instance: n.instance,
			Contact: n.contact(now), Agent: n.cfg.Agent,
		},
	}
}
