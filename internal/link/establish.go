package link

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/hint"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// Version is the protocol version told in a Hello.
const Version = wire.ProtocolVersion

// prologue binds the handshake to this use of it.
var prologue = []byte(wire.LinkPrologue)

// Local is what this node says of itself in a link handshake.
type Local struct {
	ID         wire.ID
	Static     identity.Static
	Hello      wire.Hello // complete but for Dial
	NetworkKey []byte     // nil, or 32 bytes
	Rand       io.Reader
	Prove      func(identity.Claim) []byte // identity.Identity.Prove; nil: Meet is refused
	Clock      func() time.Time            // to measure the round trip by; nil: it is not measured
	Wants      func(wire.ID) error         // asked by Dial about a proven peer before the last message; an error ends the handshake. Nil: anybody
	Turn       func() bool                 // waits until Accept may compute its answer to a first message that came; false: it may not. Nil: always
}

func (l *Local) time() time.Time {
	if l.Clock == nil {
		return time.Time{}
	}
	return l.Clock()
}

// Remote is what a proven neighbour said of itself.
type Remote struct {
	ID         wire.ID
	Hello      wire.Hello   // its slices are the caller's
	Contact    wire.Contact // from the Hello's signed record
	Send, Recv *session.Cipher
	RTT        time.Duration // from sending a message of the handshake to having read the next; 0: not measured
}

// HandshakeError is why a link did not come about.
type HandshakeError struct {
	Reason reason.Reason
	Err    error
}

// Error names the reason and the detail.
func (e *HandshakeError) Error() string { return fmt.Sprintf("%v: %v", e.Reason, e.Err) }

// Unwrap returns the reason and the detail.
func (e *HandshakeError) Unwrap() []error { return []error{e.Reason, e.Err} }

func refuse(r reason.Reason, format string, args ...any) error {
	return &HandshakeError{r, fmt.Errorf(format, args...)}
}

// ErrDeclined is why an accepted handshake came to nothing whose dialler hung up when
// it had read who this node is: it wanted another, or has a link with this one.
var ErrDeclined = errors.New("the peer closed the link when it knew who this node is")

var errHungUp = errors.New("the peer closed the link during the handshake: its network key differs, or it is no peermesh node")

// Dial runs the dialling side of the handshake on c. want, unless zero, is the
// ID that has to answer; dial is the count of dials to it. It blocks; closing c
// from another goroutine ends it.
func Dial(c Carrier, local *Local, want wire.ID, dial uint32, now time.Time) (*Remote, error) {
	hs, err := session.NewHandshake(true, prologue, local.Static, local.NetworkKey, local.Rand)
	if err != nil {
		return nil, &HandshakeError{reason.HandshakeFailed, err}
	}
	if err := write(c, hs, nil); err != nil {
		return nil, err
	}
	sent := local.time()
	payload, err := read(c, hs, errHungUp)
	if err != nil {
		return nil, err
	}
	rtt := local.time().Sub(sent)
	remote, err := local.verifyNoise(hs, payload, want, now)
	if err != nil {
		return nil, err
	}
	if local.Wants != nil {
		if err := local.Wants(remote.ID); err != nil {
			return nil, &HandshakeError{reason.Duplicate, err}
		}
	}
	hello := local.Hello
	hello.Dial = dial
	if err := write(c, hs, wire.AppendHello(nil, &hello)); err != nil {
		return nil, err
	}
	remote.RTT = rtt
	remote.Send, remote.Recv = hs.Split()
	return remote, nil
}

// Accept runs the accepting side of the handshake on c; see Dial.
func Accept(c Carrier, local *Local, now time.Time) (*Remote, error) {
	hs, err := session.NewHandshake(false, prologue, local.Static, local.NetworkKey, local.Rand)
	if err != nil {
		return nil, &HandshakeError{reason.HandshakeFailed, err}
	}
	payload, err := read(c, hs, errHungUp)
	switch {
	case err != nil && local.NetworkKey != nil && !errors.Is(err, reason.CarrierFailed):
		return nil, refuse(reason.WrongNetwork, "the first message does not open with the network key")
	case err != nil:
		return nil, err
	case len(payload) > 0:
		return nil, refuse(reason.WrongNetwork, "the peer uses a network key, this node has none")
	case local.Turn != nil && !local.Turn():
		return nil, refuse(reason.RateLimited, "too many handshakes")
	}
	if err := write(c, hs, wire.AppendHello(nil, &local.Hello)); err != nil {
		return nil, err
	}
	sent := local.time()
	if payload, err = read(c, hs, ErrDeclined); err != nil {
		return nil, err
	}
	rtt := local.time().Sub(sent)
	remote, err := local.verifyNoise(hs, payload, wire.ID{}, now)
	if err != nil {
		return nil, err
	}
	remote.RTT = rtt
	remote.Send, remote.Recv = hs.Split()
	return remote, nil
}

func write(c Carrier, hs *session.Handshake, payload []byte) error {
	msg, err := hs.Write(nil, payload)
	if err != nil {
		return &HandshakeError{reason.HandshakeFailed, err}
	}
	return send(c, msg)
}

var preAuthBuffers = sync.Pool{New: func() any { return new([limits.PreAuthBytes + 1]byte) }}

// read reads a message of the handshake; hungUp is what it means that there is none.
func read(c Carrier, hs *session.Handshake, hungUp error) ([]byte, error) {
	room := preAuthBuffers.Get().(*[limits.PreAuthBytes + 1]byte)
	defer preAuthBuffers.Put(room) // the handshake copies what it keeps
	msg, err := receive(c, room[:], hungUp)
	if err != nil {
		return nil, err
	}
	payload, err := hs.Read(nil, msg)
	if err != nil {
		return nil, &HandshakeError{reason.HandshakeFailed, err}
	}
	return payload, nil
}

// verifyNoise checks everything a Hello in a Noise handshake claims.
func (l *Local) verifyNoise(hs *session.Handshake, payload []byte, want wire.ID, now time.Time) (*Remote, error) {
	return l.verify(payload, now, func(h *wire.Hello) (wire.ID, error) {
		id, _, err := identity.VerifyCert(h.Cert, hs.PeerStatic(), want, now)
		return id, err
	})
}

// verify checks everything a Hello claims. prove returns the ID that its
// certificate or proof shows.
func (l *Local) verify(payload []byte, now time.Time, prove func(*wire.Hello) (wire.ID, error)) (*Remote, error) {
	hello, err := wire.ParseHello(payload)
	if err != nil {
		return nil, &HandshakeError{reason.Malformed, err}
	}
	if hello.Version != Version {
		return nil, refuse(reason.BadVersion, "the peer speaks version %d, this node %d", hello.Version, Version)
	}
	if hello.Network != l.Hello.Network {
		return nil, refuse(reason.WrongNetwork, "the peer is in network %q, this node in %q", hello.Network, l.Hello.Network)
	}
	id, err := prove(&hello)
	if err != nil {
		return nil, &HandshakeError{certReason(err), outOfTime(err, hello.Cert, now)}
	}
	if id == l.ID {
		return nil, &HandshakeError{reason.OwnID, l.ownID(&hello)}
	}
	contact, err := verifyContact(hello.Contact, id, now)
	if err != nil {
		return nil, &HandshakeError{reason.BadRecord, err}
	}
	return &Remote{ID: id, Hello: hello, Contact: contact}, nil
}

// ErrKeyInUse is why a handshake was refused: the other end proved this node's own
// key, and is another process.
var ErrKeyInUse = errors.New("the peer runs with this node's key")

// ownID is what it means that the other end proved this node's own key.
func (l *Local) ownID(hello *wire.Hello) error {
	if hello.Instance != l.Hello.Instance {
		return ErrKeyInUse
	}
	return errors.New("the peer is this node")
}

func certReason(err error) reason.Reason {
	if errors.Is(err, identity.ErrWrongID) {
		return reason.WrongID
	}
	return reason.BadCertificate
}

// outOfTime says by how much a certificate is out of time, if that is its fault.
func outOfTime(err error, cert []byte, now time.Time) error {
	c, bad := wire.ParseCert(cert)
	if bad != nil {
		return err
	}
	left := time.Unix(int64(c.NotAfter), 0).Sub(now)
	const whose = "the clock of one of the two sides is wrong"
	switch {
	case errors.Is(err, identity.ErrCertExpired):
		return fmt.Errorf("%w %s ago by this clock: %s", err, hint.Span(left), whose)
	case errors.Is(err, identity.ErrCertFuture):
		return fmt.Errorf("%w, for it was made at least %s ahead of this clock: %s", err, hint.Span(left-limits.CertLife), whose)
	}
	return err
}

func verifyContact(b []byte, id wire.ID, now time.Time) (wire.Contact, error) {
	record, owner, err := identity.VerifyRecord(b, now)
	if err != nil {
		return wire.Contact{}, fmt.Errorf("contact record: %w", err)
	}
	if owner != id || record.Kind != wire.RecordContact {
		return wire.Contact{}, errors.New("contact record: signed by another key, or of another kind")
	}
	return wire.ParseContact(record.Body)
}
