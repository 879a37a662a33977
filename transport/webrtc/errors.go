package webrtc

import "errors"

// ErrUnsupported says that this program was built without WebRTC, with the
// build tag nowebrtc.
var ErrUnsupported = errors.New("this program was built without WebRTC: build it without the tag nowebrtc, or link by ws:// and wss:// URLs")

// ErrDescription says that an offer or answer is not one of a data channel, or
// beyond what is accepted; the text around it says what is wrong.
var ErrDescription = errors.New("offer or answer refused")

// ErrCandidate says that a candidate is malformed or one too many.
var ErrCandidate = errors.New("candidate refused")

// ErrOrder says that a method of an Attempt was called out of its turn.
var ErrOrder = errors.New("called out of turn")

// ErrStuck says that too many ends of this Endpoint have never ended for one more
// link, or for one with a peer whose description lacks sctp-init.
var ErrStuck = errors.New("too many connections over WebRTC have never ended: restart this program, and report it")

// The stages of an attempt, in their order.
const (
	StageICE     = "ice"     // finding a pair of addresses between which packets pass
	StageDTLS    = "dtls"    // the encryption's handshake
	StageChannel = "channel" // opening the data channel
)

// SetupError says at which stage an attempt ended, and why. It unwraps to the
// cause.
type SetupError struct {
	Stage string // one of the Stage constants
	Err   error  // the cause; its text says what to do about it
}

// Error implements error.
func (e *SetupError) Error() string { return "webrtc: " + e.Stage + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }
