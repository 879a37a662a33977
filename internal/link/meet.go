package link

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

var errNotMet = errors.New("the peer closed the link before it said who it is: it did not take what this node said, or has given up")

// fingerprintLen is the length of one of the two fingerprints in a binding.
const fingerprintLen = 32

// Meet proves both ends of a carrier that encrypts, and tells by its Binding
// which certificates it did so with, to each other: each sends at once a Hello
// with a proof in place of a certificate, and reads the other's. So there is no
// round trip to measure, and no Noise layer: RTT, Send and Recv stay empty.
//
// peer and session are those of the signalling, and neither may be zero.
// outbound says that this end asked for the link; dial is then its count of asks
// to this peer. Like Dial it blocks, and closing c ends it.
func Meet(c Carrier, local *Local, peer wire.ID, session wire.Session, outbound bool, dial uint32, now time.Time) (*Remote, error) {
	claim, err := local.claim(c.Binding(), peer, session)
	if err != nil {
		return nil, err
	}
	hello := local.Hello
	hello.Cert, hello.Proof = nil, local.Prove(claim)
	if outbound {
		hello.Dial = dial
	}
	if err := send(c, wire.AppendHello(nil, &hello)); err != nil {
		return nil, err
	}
	msg, err := receive(c, make([]byte, limits.PreAuthBytes+1), errNotMet)
	if err != nil {
		return nil, err
	}
	// Of a whole receive buffer the Hello would keep what it does not use.
	return local.verify(bytes.Clone(msg), now, func(theirs *wire.Hello) (wire.ID, error) {
		_, err := identity.VerifyProof(theirs.Proof, claim.Mirror())
		return peer, err
	})
}

// claim is what this node proves on a carrier with that binding.
func (l *Local) claim(binding []byte, peer wire.ID, session wire.Session) (identity.Claim, error) {
	switch {
	case peer == l.ID:
		return identity.Claim{}, refuse(reason.OwnID, "the peer is this node")
	case session == wire.Session{}:
		return identity.Claim{}, refuse(reason.BadCertificate, "no signalling session to prove")
	case len(binding) != 2*fingerprintLen || l.Prove == nil:
		return identity.Claim{}, refuse(reason.BadCertificate, "the carrier has a binding of %d bytes: nothing to prove", len(binding))
	}
	return identity.Claim{
		Own: l.ID, Other: peer, Session: session,
		OwnFingerprint:   [fingerprintLen]byte(binding),
		OtherFingerprint: [fingerprintLen]byte(binding[fingerprintLen:]),
	}, nil
}

// send writes one message of a handshake.
func send(c Carrier, msg []byte) error {
	err := c.Send(msg)
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		return &HandshakeError{reason.CarrierFailed, err}
	}
	return nil
}

// receive reads one message of a handshake into room; hungUp is what it means if
// none comes.
func receive(c Carrier, room []byte, hungUp error) ([]byte, error) {
	msg, err := c.Receive(func() []byte { return room })
	if err != nil {
		return nil, &HandshakeError{reason.CarrierFailed, fmt.Errorf("%w: %w", hungUp, err)}
	}
	return msg, nil
}
