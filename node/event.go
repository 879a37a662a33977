package node

import (
	"log/slog"
	"time"

	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
)

// EventKind says what happened.
type EventKind string

// The kinds of events. Retry, Refused, NoHome and ClockDoubted come again and again while
// their cause lasts, so only a change is an event at once: the first at a URL, peer or
// network, or another stage or reason than before. What repeats is counted, over all of
// them, and told after a minute and then in pauses that double up to an hour: Count is how
// many since the last such event, Sources of how many URLs, peers or networks; the other
// fields are those of the last one. A link by a URL ends that: the next failure is a
// change. Dropped, for each reason, is told at the same pauses.
const (
	PeerUp        EventKind = "peer-up"         // a link is live
	PeerDown      EventKind = "peer-down"       // a link ended; Reason says why
	Attached      EventKind = "attached"        // the relay Peer said that it is a home of this leaf: others find it there
	Dropped       EventKind = "dropped"         // frames were dropped: Count of them for Reason since the last such event
	Retry         EventKind = "retry"           // a bootstrap URL did not answer; it is tried again after After
	Refused       EventKind = "refused"         // a peer refused this node, or this node a peer; Reason says why
	IdentityInUse EventKind = "identity-in-use" // another process runs with the same key
	Upgraded      EventKind = "upgraded"        // what goes to and from Peer, of which there is much, takes a direct link from now on
	NoHome        EventKind = "no-home"         // this leaf is linked with the relay Peer, which is no home of it: Err says why
	ClockDoubted  EventKind = "clock-doubted"   // Peer refuses this leaf's record for its time: this machine's clock, or that one's, is wrong
	// UndeclaredProxy: clients come by a proxy, at the address that Err names, that is
	// not among Config.TrustedProxies.
	UndeclaredProxy EventKind = "undeclared-proxy"
	Warned          EventKind = "warning"  // Part is not as it should be: Err says why; Status.Warnings has it until it is Resolved
	Resolved        EventKind = "resolved" // what was wrong with Part is right again
	Reloaded        EventKind = "reloaded" // a file has changed: what it holds of Part is in use from now on
	// NetworkChanged: the network below the node is another one: Change says what came
	// and went, or that the machine has slept. Where it changes all the time this is told
	// in pauses that double up to an hour, with Count.
	NetworkChanged EventKind = "network-changed"
)

// Level is how grave an event of this kind is: the level at which the node logs it.
func (k EventKind) Level() slog.Level {
	switch k {
	case Retry, Refused, IdentityInUse, NoHome, ClockDoubted, UndeclaredProxy, Warned:
		return slog.LevelWarn
	case Dropped:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Event is something that happened to a node. Fields that do not apply are zero.
type Event struct {
	Kind      EventKind     `json:"event"`
	Time      time.Time     `json:"time"`
	Peer      routing.ID    `json:"peer,omitzero"`
	URL       transport.URL `json:"url,omitempty"`
	Transport string        `json:"transport,omitempty"` // ws, mem, webrtc
	Outbound  bool          `json:"outbound,omitempty"`
	Leaf      bool          `json:"leaf,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Part      string        `json:"part,omitempty"`   // of the node, as in Warning
	Hint      string        `json:"hint,omitempty"`   // of a Warned event: what to do
	Change    string        `json:"change,omitempty"` // of a NetworkChanged event: what is different
	Count     uint64        `json:"count,omitempty"`
	Sources   int           `json:"sources,omitempty"` // that a sum is about
	After     time.Duration `json:"afterNs,omitempty"`
	Err       string        `json:"error,omitempty"`
}

// PeerInfo describes one live link.
type PeerInfo struct {
	ID        routing.ID    `json:"id"`
	Leaf      bool          `json:"leaf"`
	Transport string        `json:"transport"`
	Outbound  bool          `json:"outbound"`
	Address   string        `json:"address"`          // of the carrier, as seen through trusted proxies
	Path      string        `json:"path,omitempty"`   // over WebRTC: the kinds of the own and the peer's address, such as "host/srflx": host, srflx (as a STUN server sees it), prflx (as the peer sees it), relay (a TURN server's)
	Direct    bool          `json:"direct,omitempty"` // it is there for the two nodes, not for the mesh
	Agent     string        `json:"agent,omitempty"`
	RTT       time.Duration `json:"rttNs"` // 0: not measured
	Since     time.Time     `json:"since"`
	Suspect   bool          `json:"suspect"` // acks are late; frames avoid it that have another way
	RxBytes   uint64        `json:"rxBytes"`
	TxBytes   uint64        `json:"txBytes"`
	RxFrames  uint64        `json:"rxFrames"`
	TxFrames  uint64        `json:"txFrames"`
	Queued    int           `json:"queuedBytes"`
	QueueFill float64       `json:"queueFill"` // Queued as a share of what the link's queue holds, 0 to 1
	Age       time.Duration `json:"ageNs"`
	Bucket    int           `json:"bucket"` // leading bits that its Key and this node's have in common

	// Of a link that had something waiting, and whose carrier knows its line. All
	// zero, or left out in JSON, of others.
	Slow       bool          `json:"slow,omitempty"`               // what the line has no use for waits in the link
	LineRate   int           `json:"lineBytesPerSecond,omitempty"` // that get through
	LineBase   time.Duration `json:"lineBaseNs,omitempty"`         // the least round trip of the last 10 to 20 s
	LineLimit  int           `json:"lineLimitBytes,omitempty"`     // that the carrier may hold
	Congestion string        `json:"congestion,omitempty"`         // control of the TCP connection, such as "bbr"; empty: not known
}

// SessionInfo describes the end-to-end session with one peer, linked or not.
type SessionInfo struct {
	ID        routing.ID    `json:"id"`
	State     string        `json:"state"`     // none, opening, up, renewing: up, and new keys are being agreed on, or away: up, and nobody knows a way to the peer
	Linked    bool          `json:"linked"`    // there is a link with it; else what is sent goes by way of others
	Initiator bool          `json:"initiator"` // this node began it
	Age       time.Duration `json:"ageNs"`     // of its keys; 0: there are none
	Idle      time.Duration `json:"idleNs"`    // since something was sent or arrived
	RTT       time.Duration `json:"rttNs"`     // from end to end; 0: not measured
	Waiting   int           `json:"waiting"`   // messages that wait for an ack or a response

	// Of acknowledged messages, by the first hop that the last one left by; 0: none has left.
	Window   int           `json:"window"`         // bytes that may be under way
	InFlight int           `json:"inFlight"`       // bytes that are
	Rate     int           `json:"bytesPerSecond"` // that arrived lately, smoothed
	Base     time.Duration `json:"baseRttNs"`      // least round trip of the last 10 to 20 s
	Marked   uint64        `json:"marked"`         // copies that a relay marked, as they left a queue that stood
}

// Overload tells what too much of acknowledged messages has led to.
type Overload struct {
	Marked uint64 `json:"marked"` // copies that a relay marked, as they left a queue that stood
	Unsent uint64 `json:"unsent"` // messages that ended and had not left, because they could not have arrived in time
}

// BootstrapInfo describes one URL that the node joins by.
type BootstrapInfo struct {
	URL       transport.URL `json:"url"`
	Linked    bool          `json:"linked"`
	Peer      routing.ID    `json:"peer,omitzero"`
	Attempts  int           `json:"attempts"`
	Stage     string        `json:"stage,omitempty"`  // where the last try failed, as in JoinError
	Reason    string        `json:"reason,omitempty"` // why, in a word, as in JoinError
	LastError string        `json:"lastError,omitempty"`
	NextTry   time.Time     `json:"nextTry,omitzero"`
}

// Status is a picture of a node. Its JSON form is versioned by V.
type Status struct {
	V          int             `json:"v"`
	ID         routing.ID      `json:"id"`
	Uptime     time.Duration   `json:"uptimeNs"`
	Leaf       bool            `json:"leaf"`
	URLs       []string        `json:"urls"`
	Peers      []PeerInfo      `json:"peers"`
	Bootstraps []BootstrapInfo `json:"bootstraps"`
	Sessions   int             `json:"sessions"` // peers that there is a session with, or was, or is to be
	// SessionList describes those used last, the latest first, at most
	// limits.StatusSessions, which is 64.
	SessionList []SessionInfo     `json:"sessionList"`
	Ports       []uint16          `json:"ports"`
	Forwarded   uint64            `json:"forwarded"` // frames that the queue of their next link took
	Delivered   uint64            `json:"delivered"`
	Drops       map[string]uint64 `json:"drops"`     // by reason; a frame of several datagrams counts as one where it is relayed
	DropsMoot   map[string]uint64 `json:"dropsMoot"` // of the drops those of plain use: for nodes that had left or were not there, or what came twice
	LimitsHit   map[string]uint64 `json:"limitsHit"` // of the drops those that a bound of this node caused
	// LimitsHitAt is when each of them was hit last, to a second.
	LimitsHitAt map[string]time.Time `json:"limitsHitAt"`
	Panics      uint64               `json:"panics"` // faults of this program or of a handler that ended a part of the node, and of carriers in this process; the log has their stacks
	Limits      []LimitUse           `json:"limits"`
	Attached    bool                 `json:"attached"` // others than the peers can reach this node
	// IdentityInUseAt is when it was last proven that another process runs with
	// this node's key; zero: never.
	IdentityInUseAt time.Time `json:"identityInUseAt,omitzero"`
	// UndeclaredProxy is the address of the last proxy that a client came by and that
	// is not among Config.TrustedProxies, UndeclaredProxyAt when that was; empty: none.
	UndeclaredProxy   string    `json:"undeclaredProxy,omitempty"`
	UndeclaredProxyAt time.Time `json:"undeclaredProxyAt,omitzero"`
	// NetworkChanges counts the changes of the network below the node since the start;
	// the last one was NetworkChange, at NetworkChangeAt.
	NetworkChanges  uint64    `json:"networkChanges"`
	NetworkChange   string    `json:"networkChange,omitempty"`
	NetworkChangeAt time.Time `json:"networkChangeAt,omitzero"`
	// Warnings are what is wrong with this node now, the oldest first.
	Warnings []Warning    `json:"warnings,omitempty"`
	Settled  bool         `json:"settled"` // it looks for no further links; see Node.Settled
	Homes    []routing.ID `json:"homes"`   // of a leaf: the relays it is found at, the best first
	Table    []BucketInfo `json:"table"`   // the buckets that hold relay links, the farthest first
	Traffic  []Traffic    `json:"traffic"` // by transport, ended links included
	Dials    Dials        `json:"dials"`
	Overload Overload     `json:"overload"`
	Upkeep   Upkeep       `json:"upkeep"`

	Hops []HopsInfo `json:"hops"` // of what was delivered, the fewest links first
	// ForwardTimes tell how long it took to queue frames onward, from when their
	// batch was opened, waits for room included: of some batches that held such
	// frames, one in 64 of all. SignalTimes tell how long links over WebRTC took from
	// the offer until each end had proved itself.
	ForwardTimes Times `json:"forwardTimes"`
	SignalTimes  Times `json:"signalTimes"`
}

// LimitUse is how much of one bound is used.
type LimitUse struct {
	Name string `json:"name"`
	Used int    `json:"used"`
	Max  int    `json:"max"`
}

// BucketInfo is one bucket of the table of relay links.
type BucketInfo struct {
	Bucket int `json:"bucket"` // leading bits in common with this node's Key
	Links  int `json:"links"`
}

// Traffic is what crossed the links of one transport since the start.
type Traffic struct {
	Transport string `json:"transport"`
	RxBytes   uint64 `json:"rxBytes"`
	TxBytes   uint64 `json:"txBytes"`
	RxFrames  uint64 `json:"rxFrames"` // mesh frames
	TxFrames  uint64 `json:"txFrames"`
}

// Dials counts dials that came to a link's handshake and its end, and those that did not.
type Dials struct {
	Linked uint64 `json:"linked"`
	Failed uint64 `json:"failed"`
}

// Upkeep counts frames that arrived by links and that no program sent: what the
// mesh costs by itself.
type Upkeep struct {
	MeshFrames uint64 `json:"meshFrames"` // lookups, their answers, and hints
	LinkFrames uint64 `json:"linkFrames"` // between neighbours: lists, records and the like
	Pings      uint64 `json:"pings"`      // pings, pongs and link acks
}

// HopsInfo counts the delivered frames that crossed so many links.
type HopsInfo struct {
	Hops   int    `json:"hops"`
	Frames uint64 `json:"frames"`
}

// Times tell how long something took.
type Times struct {
	Count   uint64        `json:"count"`   // of what was timed
	Total   time.Duration `json:"totalNs"` // of all of it
	Buckets []TimeBucket  `json:"buckets"` // the shortest first
}

// TimeBucket counts what took at most so long and longer than the bucket before.
type TimeBucket struct {
	AtMost time.Duration `json:"atMostNs,omitzero"` // 0, left out in JSON, of the last: any time
	Count  uint64        `json:"count"`
}

// PingResult is the answer to one ping.
type PingResult struct {
	RTT    time.Duration `json:"-"`
	Hops   int           `json:"hops"`   // links crossed on the way there
	Via    routing.ID    `json:"via"`    // the first hop; the target itself when direct
	Direct bool          `json:"direct"` // Via is the target
}
