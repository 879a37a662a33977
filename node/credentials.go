package node

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/wire"
)

// credentials prove the node's identity: the identity key, this start's Noise
// key and its certificate.
type credentials struct {
	identity *identity.Identity
	static   identity.Static

	mu       sync.Mutex
	cert     []byte
	renew    time.Time
	sequence uint64 // of the last record signed
}

func (c *credentials) init(cfg Config, now time.Time) (err error) {
	if cfg.StateDir == "" {
		c.identity, err = identity.New(rand.Reader)
	} else {
		c.identity, _, err = identity.LoadOrCreate(cfg.StateDir, rand.Reader)
	}
	if err != nil {
		return err
	}
	c.static, err = identity.NewStatic(rand.Reader)
	return err
}

// at returns the Noise key and its certificate, renewed at half of its life.
func (c *credentials) at(now time.Time) (identity.Static, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now.Before(c.renew) {
		cert := c.identity.Certify(c.static.Public, now)
		c.cert = wire.AppendCert(nil, &cert)
		c.renew = now.Add(limits.CertLife / 2)
	}
	return c.static, c.cert
}

// sign signs a record of this node.
func (c *credentials) sign(kind wire.RecordKind, now time.Time, ttl uint16, body []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence = identity.NextSequence(c.sequence, now)
	return c.identity.Sign(kind, c.sequence, ttl, body)
}

// contact is what others may know of this node, signed again at half of its life.
func (n *Node) contact(now time.Time) []byte {
	c := &n.contactRecord
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now.Before(c.renew) {
		body := wire.Contact{Role: wire.RoleRelay, URLs: n.URLs()}
		if n.cfg.Leaf {
			body.Role = wire.RoleLeaf
		}
		c.record = n.creds.sign(wire.RecordContact, now, limits.ContactTTL, wire.AppendContact(nil, &body))
		c.renew = now.Add(limits.ContactTTL * time.Second / 2)
	}
	return c.record
}

// contactRecord is the record signed last.
type contactRecord struct {
	mu     sync.Mutex
	record []byte
	renew  time.Time
}

// local is what the node says of itself on a new link.
func (n *Node) local(now time.Time) *link.Local {
	static, cert := n.creds.at(now)
	return &link.Local{
		ID: wire.ID(n.id), Static: static, NetworkKey: n.cfg.NetworkKey, Rand: rand.Reader, Clock: time.Now,
		Hello: wire.Hello{
			Version: link.Version, Cert: cert, Instance: n.instance,
			Contact: n.contact(now), Agent: n.cfg.Agent,
		},
	}
}
