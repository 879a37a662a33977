package testnet

import (
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// simRecords remembers the records that verified: one check of a signature
// serves all nodes, and one copy of the bytes.
type simRecords struct {
	known map[string]*simRecord
	sweep time.Time // when to look for those that are over

	attachments int // that were verified, as the nodes have it
}

type simRecord struct {
	bytes  []byte
	record wire.Record
	signer wire.ID
	until  time.Time // it verifies no more after this
}

// recordsSweep is how often records that are over are forgotten.
const recordsSweep = time.Minute

// verify is identity.VerifyRecord.
func (m *simRecords) verify(b []byte, now time.Time) (wire.Record, wire.ID, error) {
	r, err := m.find(b, now)
	if err != nil {
		return wire.Record{}, wire.ID{}, err
	}
	if r.record.Kind == wire.RecordAttachment {
		m.attachments++
	}
	return r.record, r.signer, nil
}

// intern returns the one copy of a record; one that does not verify stays as it is.
func (m *simRecords) intern(b []byte, now time.Time) []byte {
	if r, err := m.find(b, now); err == nil {
		return r.bytes
	}
	return b
}

func (m *simRecords) find(b []byte, now time.Time) (*simRecord, error) {
	if r := m.known[string(b)]; r != nil && !now.After(r.until) {
		return r, nil
	}
	own := append([]byte(nil), b...)
	record, signer, err := identity.VerifyRecord(own, now)
	if err != nil {
		return nil, err
	}
	m.forget(now)
	signed := time.UnixMilli(int64(record.Sequence))
	r := &simRecord{own, record, signer, signed.Add(limits.ClockTolerance + time.Duration(record.TTL)*time.Second)}
	if m.known == nil {
		m.known = make(map[string]*simRecord)
	}
	m.known[string(own)] = r
	return r, nil
}

func (m *simRecords) forget(now time.Time) {
	if now.Before(m.sweep) {
		return
	}
	m.sweep = now.Add(recordsSweep)
	for k, r := range m.known {
		if now.After(r.until) {
			delete(m.known, k)
		}
	}
}

// draw makes an identity from the seed of the simulation.
func (s *Simulation) draw() *identity.Identity {
	var seed [32]byte
	_, _ = s.keys.Read(seed[:])
	return identity.FromSeed(seed)
}

// groundDraws is how many identities are drawn for one that lies near a Key:
// it shares 11 bits with it on average, about as many as the nearest of 2,000 nodes.
const groundDraws = 2_000

// grind draws an identity whose Key lies near another.
func (s *Simulation) grind(near routing.Key) *identity.Identity {
	var best *identity.Identity
	for range groundDraws {
		if i := s.draw(); best == nil || nearer(i, best, near) {
			best = i
		}
	}
	return best
}

func nearer(a, b *identity.Identity, key routing.Key) bool {
	return keyOf(a).CommonPrefixLen(key) > keyOf(b).CommonPrefixLen(key)
}

func keyOf(i *identity.Identity) routing.Key { return routing.ID(i.ID()).Key() }
