package session

import (
	"bytes"
	"errors"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Job is the arithmetic of one step of a handshake. Run may be called on any
// goroutine, once, and touches nothing that is shared; Finish then takes the
// result back. A Job that is never finished costs no more than its handshake.
type Job struct {
	kind   jobKind
	init   *initiation
	answer *answer

	// in
	hs      handshaker
	message []byte // to read
	payload []byte // to write
	judge   judge

	// out
	wrote      []byte
	got        wire.HandshakePayload
	send, recv *Cipher
	why        reason.Reason
}

// jobKind says which step a Job is.
type jobKind uint8

const (
	jobFirst  jobKind = iota + 1 // initiator writes message 1
	jobSecond                    // responder reads 1, writes 2
	jobThird                     // initiator reads 2, writes 3
	jobLast                      // responder reads 3
)

// Run does the arithmetic.
func (j *Job) Run() {
	j.why = reason.None
	if j.kind != jobFirst {
		j.read()
	}
	if j.why == reason.None && j.kind != jobLast {
		j.write()
	}
	if j.why == reason.None && (j.kind == jobThird || j.kind == jobLast) {
		j.send, j.recv = j.hs.Split()
	}
}

func (j *Job) write() {
	out, err := j.hs.Write(nil, j.payload)
	if err != nil {
		j.why = reason.HandshakeFailed
	}
	j.wrote = out
}

// read reads the message and, for messages 2 and 3, judges who sent it.
func (j *Job) read() {
	b, err := j.hs.Read(nil, j.message)
	if err != nil {
		j.why = reason.HandshakeFailed
		return
	}
	if j.kind == jobSecond {
		return
	}
	if j.got, err = wire.ParseHandshakePayload(b); err == nil {
		err = j.judge.verify(&j.got, j.hs.PeerStatic())
	}
	if err != nil {
		j.why = whyRefused(err)
		j.hs.rewind()
	}
}

// judge knows who has to be at the other end.
type judge struct {
	peer wire.ID
	now  time.Time
	null bool // there are no keys to judge by
}

// verify checks that the owner of static is the peer: a session speaks for the
// key that certified it, and for nobody else.
func (j *judge) verify(p *wire.HandshakePayload, static [32]byte) error {
	if j.null {
		return nil
	}
	_, _, err := identity.VerifyCert(p.Cert, static, j.peer, j.now)
	return err
}

func whyRefused(err error) reason.Reason {
	var parse *wire.Error
	switch {
	case errors.Is(err, identity.ErrWrongID):
		return reason.WrongID
	case errors.As(err, &parse):
		return reason.Malformed
	}
	return reason.BadCertificate
}

// prologue binds a handshake to who talks to whom.
func prologue(initiator, responder wire.ID) []byte {
	return append(append([]byte(wire.SessionPrologue), initiator[:]...), responder[:]...)
}

// handshake makes one side of a handshake with a peer. The ephemeral key is
// drawn here, so that a Job need not share the random source.
func (t *Table) handshake(peer wire.ID, initiator bool, now time.Time) (handshaker, []byte, error) {
	if t.cfg.Null {
		return nullHandshake{}, nil, nil
	}
	static, cert := t.cfg.Credentials(now)
	var ephemeral [32]byte
	t.random(ephemeral[:])
	from, to := peer, t.cfg.Self
	if initiator {
		from, to = to, from
	}
	h, err := NewHandshake(initiator, prologue(from, to), static, t.keyOfNetwork(), bytes.NewReader(ephemeral[:]))
	return h, cert, err
}

// payload returns the payload of our message 2 or 3.
func (t *Table) payload(cert []byte, window *inbox) []byte {
	p := wire.HandshakePayload{
		Cert: cert, Instance: t.cfg.Instance, Capabilities: t.cfg.Capabilities, Homes: t.homes(),
	}
	if window != nil {
		p.Window = window.instance
	}
	return wire.AppendHandshakePayload(nil, &p)
}
