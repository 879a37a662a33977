package reason

import "sync/atomic"

// Reason says why something was dropped or refused. The zero value means "no reason".
type Reason uint8

// The reasons. The comment tells who counts it and when.
const (
	None Reason = iota

	// Frames.
	Malformed    // a frame, batch or body that does not parse
	HopLimit     // the hop limit reached zero
	NoRoute      // no link leads closer to the destination
	Detached     // the home named by an attachment record no longer holds the leaf
	QueueFull    // the outgoing queue had no room within the waiting time
	PortFull     // the port's queue had no room within the waiting time
	ForgedSource // a leaf's link carried a frame with another source
	NotForUs     // a leaf was handed a frame that is for somebody else
	LoopedDetour // the detour list is full
	DetourBudget // the ingress link used up its detour steps
	RateLimited  // the ingress link or the peer used up a budget
	Unsupported  // a type or operation that this node does not serve
	Unsolicited  // an answer or hint that nobody asked for
	NoHandler    // nobody listens on the port
	NoLink       // the node has no live link to send on
	LinkLost     // queued on a link that ended
	Expired      // waited too long for a session or an ack

	// Sessions.
	UnknownSession  // sealed for a session that this node does not hold
	Replayed        // a counter or signalling session that was seen already, or too old to tell
	BadSeal         // the ciphertext does not open
	HandshakeFailed // a handshake message that does not verify
	Duplicate       // a message id that was delivered already; a WebRTC link that is being arranged already
	SessionLimit    // too many handshakes, held frames or WebRTC links under way
	PeerRestarted   // the peer lost the state that proves at-most-once delivery

	// Links.
	WrongID        // the peer is not the node that was asked for
	OwnID          // the peer is this very node
	BadCertificate // the certificate or proof is missing, forged or expired
	BadRecord      // a signed record that does not verify
	WrongNetwork   // the network key or name differs
	BadVersion     // no protocol version in common
	AuthTimeout    // the handshake did not end in time
	Idle           // nothing was heard for the dead time
	Stalled        // the peer does not read, or acknowledges nothing of what it reads
	Replaced       // a newer link to the same peer took its place
	LinkLimit      // no free slot for this kind of link
	Leaving        // the peer said goodbye
	Disconnected   // told to by the user of this node
	Closed         // this node is closing
	CarrierFailed  // the connection below broke
	ProtocolError  // the peer broke the rules of the link
	TooLarge       // larger than the largest message
	Banned         // disconnected, by the user or because it broke the rules, and not yet welcome again

	// Records.
	StoreFull // a holder has no room for the record

	// The public port.
	ConnectionLimit // a connection that is no link yet was closed: too many at once or in a second, from its address or in all
	ForeignOrigin   // a page of another site, at a listener for this machine alone

	// All of a node.
	MemoryLimit // the holder has its part of what the node may hold for others: a link, a session or a port

	// Links again; numbers are added at the end.
	GroupLimit // no slot is free, and the peer's address group has its share of them

	// The public port, and who stands before it.
	ProxyHeader     // a PROXY protocol header that is not of a trusted proxy, or is none of the protocol
	StrippedUpgrade // a request for a link whose Upgrade header a proxy took off

	// Links again.
	QueueDelay // a datagram waited so long for a slow link, like those before it, that its sender should hear of it

	count
)

// IsLimit says whether r means that a bound of this node was reached: more was
// wanted of it than it gives, by whom ever.
func (r Reason) IsLimit() bool {
	switch r {
	case QueueFull, PortFull, DetourBudget, RateLimited, SessionLimit, LinkLimit, StoreFull, ConnectionLimit, MemoryLimit, GroupLimit:
		return true
	}
	return false
}

// IsMoot says whether plain use makes drops of r: what was for a node that has just
// left or was never there, what came twice, answers that nobody waits for any more. The
// sender knows, or needs not. The rest is lost, or was refused.
func (r Reason) IsMoot() bool {
	switch r {
	case NoRoute, Detached, NoLink, UnknownSession, Duplicate, Replayed, Unsolicited, Unsupported, Leaving:
		return true
	}
	return false
}

// Count is one more than the largest reason.
const Count = int(count)

var names = [count]string{
	None: "none", Malformed: "malformed", HopLimit: "hop-limit", NoRoute: "no-route", Detached: "detached",
	QueueFull: "queue-full", PortFull: "port-full", ForgedSource: "forged-source", NotForUs: "not-for-us",
	LoopedDetour: "looped-detour", DetourBudget: "detour-budget", RateLimited: "rate-limited",
	Unsupported: "unsupported", Unsolicited: "unsolicited", NoHandler: "no-handler", NoLink: "no-link",
	LinkLost: "link-lost", Expired: "expired",
	UnknownSession: "unknown-session", Replayed: "replayed", BadSeal: "bad-seal", HandshakeFailed: "handshake-failed",
	Duplicate: "duplicate", SessionLimit: "session-limit", PeerRestarted: "peer-restarted",
	WrongID: "wrong-id", OwnID: "own-id", BadCertificate: "bad-certificate", BadRecord: "bad-record",
	WrongNetwork: "wrong-network", BadVersion: "bad-version", AuthTimeout: "auth-timeout", Idle: "idle",
	Stalled: "stalled", Replaced: "replaced", LinkLimit: "link-limit", Leaving: "leaving",
	Disconnected: "disconnected", Closed: "closed", CarrierFailed: "carrier-failed",
	ProtocolError: "protocol-error", TooLarge: "too-large", Banned: "banned",
	StoreFull: "store-full", ConnectionLimit: "connection-limit", ForeignOrigin: "foreign-origin", MemoryLimit: "memory-limit",
	GroupLimit:  "group-limit",
	ProxyHeader: "proxy-header", StrippedUpgrade: "stripped-upgrade", QueueDelay: "queue-delay",
}

// String returns the one name of r, or "unknown" for a number that this version has no name for.
func (r Reason) String() string {
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Error makes a Reason an error whose text is its name, so that it can be the
// cause of a richer error and errors.Is finds it.
func (r Reason) Error() string { return r.String() }

// Counters counts by reason. The zero value is ready; it may be used by many
// goroutines at once and must not be copied.
type Counters struct{ n [count]atomic.Uint64 }

// Add counts n times r. A number without a name is counted as Malformed.
func (c *Counters) Add(r Reason, n int) {
	if r >= count {
		r = Malformed
	}
	c.n[r].Add(uint64(n))
}

// Get returns how often r was counted.
func (c *Counters) Get(r Reason) uint64 {
	if r >= count {
		return 0
	}
	return c.n[r].Load()
}

// Map returns the reasons counted at least once, by name.
func (c *Counters) Map() map[string]uint64 {
	m := make(map[string]uint64)
	for r := range c.n {
		if v := c.n[r].Load(); v > 0 {
			m[Reason(r).String()] = v
		}
	}
	return m
}
