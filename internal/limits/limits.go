// Package limits holds every bound on what a remote peer can make this node
// keep, do or send: one named number each, with its unit and where it comes
// from. A number here has a test in the package that enforces it.
package limits

import "time"

// Frames and messages (docs/protocol.md, sections 2 and 3).
const (
	MaxFrame      = 65_000         // bytes of one mesh frame
	MaxMessage    = 60_000         // bytes of one application message; larger: use a stream
	MaxRecord     = 65_535         // bytes of one link record on the wire, its tag included (the Noise limit)
	RecordPayload = MaxRecord - 16 // bytes of frames in one record
	MaxHops       = 64             // crossings of a frame, detours included
	MaxPlainHops  = 32             // crossings without a detour
)

// Links: establishing.
const (
	HandshakeTimeout  = 5 * time.Second // from the carrier's opening to the last handshake message
	PreAuthBytes      = 4 << 10         // bytes held for a link that has not proved itself
	PreAuthLinks      = 256             // links under way at once, accepted ones
	PreAuthLinksPerIP = 8               // the same from one /32 or /56; loopback exempt
	DialsInFlight     = 8               // dials under way at once
	HTTPHeaderTimeout = 5 * time.Second // to read the request line and headers
	HTTPHeaderBytes   = 8 << 10         // of request line and headers
)

// Links: queues (measured: between 64 KiB and 1 MiB the throughput is the same, so the size is a choice of latency).
const (
	LinkQueue         = 256 << 10             // bytes pending for one outgoing link, shared among its active ingress queues
	LinkQueueShareMin = 32 << 10              // least share of one ingress queue
	LinkBatch         = 132 << 10             // most bytes that one flush takes: two full records and a little
	MaxRun            = 32 << 10              // bytes appended under one lock
	TransitWait       = 25 * time.Millisecond // a reader waits for room; above the scheduler's time slice of 10 ms
	InlineQuiet       = 20 * time.Microsecond // pause on a link after which whoever completes a small batch flushes it
	InlineFrames      = 2                     // a batch of at most so many frames is flushed by whoever completed it
	ControlFrames     = 64                    // link frames pending; one more ends the link
	PriorityRate      = 64 << 10              // bytes/s of classes 0-1 from one ingress that keep their class
	PriorityBurst     = 64 << 10              // bytes
	WriteStall        = 5 * time.Second       // a write that makes no progress ends the link
)

// Links: liveness and acks.
const (
	SentRing        = 64 << 10               // bytes of class 0-2 frames kept until acked; older ones count as taken
	AckBytes        = 32 << 10               // a link ack is owed after so many bytes of such frames
	AckDelay        = 50 * time.Millisecond  // or after this time
	LinkTick        = 25 * time.Millisecond  // how often a link that owes something is looked at
	IdleTick        = time.Second            // how often the others are
	PingIdleRelay   = 5 * time.Second        // silence after which a relay is pinged
	PingIdleLeaf    = 15 * time.Second       // silence after which a leaf is pinged
	PingAnswer      = 10 * time.Second       // a ping without a sign of life for so long: the link is dead (a relay: 15 s of silence)
	LinkRTOMin      = 250 * time.Millisecond // least time to an ack before the link is suspect
	LinkRTOMax      = time.Second            // most time
	LinkRekey       = 1 << 16                // records after which a direction takes a new key
	ByeContacts     = 8                      // contact records in a Bye
	ByeFlush        = time.Second            // a Bye and what was queued before it are written for at most this long
	PeerListEntries = 256                    // neighbours in one Peers frame
	NodesEntries    = 20                     // contact records in one answer
)

// Links: how many.
const (
	RelayLinks         = 24  // relay links of a node without a port
	RelayLinksPort     = 200 // relay links of a node with a port
	LeafLinksPort      = 256 // leaf links of a node with a port
	ReplacedWait       = 60 * time.Second
	ReplacedWaitMax    = 10 * time.Minute
	DisconnectHold     = 10 * time.Minute // a peer told to go stays away
	BootstrapRetry     = 2 * time.Second  // longest pause between tries of a bootstrap while no link is up
	BootstrapRetryLive = 30 * time.Second // the same beside live links
	Bans               = 256              // peers told to stay away
	MaxLinks           = 65_536           // either cap may be set no higher
	BootstrapURLs      = 64               // URLs remembered to join by
)

// Forwarding: token buckets of one ingress link.
const (
	DetourRate   = 200 // steps of a detour per second
	DetourBurst  = 400
	HintRate     = 10 // hints per second
	HintBurst    = 20
	StoreRate    = 50 // stores per second, before any signature is checked
	StoreBurst   = 200
	ControlRate  = 200 // frames for the control loop per second: handshakes, answers, hints
	ControlBurst = 400
	LoopQueue    = 1024 // events waiting for the control loop
)

// Sessions (docs/protocol.md, section 4).
const (
	Sessions            = 4_096            // peers with a session; beyond it the least recently used goes
	SessionIdle         = 5 * time.Minute  // silence after which a session is dropped
	RekeyAfter          = 10 * time.Minute // age at which the initiator begins a new handshake
	RekeyMessages       = 1 << 24          // messages at which it does
	HardMessages        = 1 << 25          // messages after which a session is not used any more
	PreviousSession     = 60 * time.Second // how long a replaced session still opens
	ReplayWindow        = 8_128            // counters behind the highest that can be told apart
	MessageWindow       = 32_768           // message ids beyond the lowest unacked one
	HandshakeRate       = 20               // first messages per second per ingress link or, with a cookie, per return waypoint
	HandshakeBurst      = 5
	HandshakesInFlight  = 128
	HandshakeRetry      = 250 * time.Millisecond // first pause; doubles
	HandshakeRetryMax   = 4 * time.Second
	HandshakeAnswerKept = 30 * time.Second // how long an answer is repeated for the same first message
	HeldFrames          = 8                // frames that overtook the last handshake message
	WaitingMessages     = 32               // messages that wait for a session with one peer
	WaitingBytes        = 64 << 10         // bytes of them
	DatagramPatience    = 5 * time.Second  // how long a waiting datagram keeps a handshake going
	CookieLife          = 2 * time.Minute  // life of the secret behind cookies
	MessageRTOMin       = 250 * time.Millisecond
	MessageRTOMax       = 4 * time.Second
	AckRanges           = 16 // ranges in one ack
	MessageAckDelay     = 2 * time.Millisecond
	UnackedBytes        = 4 << 20 // bytes of unacked messages toward one peer; more wait
)

// Identity and records (docs/protocol.md, section 1).
const (
	CertLife        = 24 * time.Hour
	ClockTolerance  = 5 * time.Minute
	ContactTTL      = 3_600 // seconds
	AttachmentTTL   = 120   // seconds
	TopicTTL        = 600   // seconds
	WithdrawalKept  = 15 * time.Minute
	Homes           = 4
	TopicPayload    = 512
	ContactURLs     = 8
	ContactURLBytes = 256
	HintEcho        = 16
)

// Node.
const (
	PortQueue          = 256 << 10 // bytes that wait for a port's handler
	Ports              = 1_024     // open ports
	EventQueue         = 256       // events that wait for one reader of Events; older ones are dropped and counted
	PingReplies        = 64        // answers to pings under way
	RefusalEvents      = 2         // events per second about strangers that were refused
	RefusalEventsBurst = 20
	Scratch            = 2 << 10 // bytes of a small pooled send buffer
	HandshakeWorkers   = 2       // goroutines that do the Diffie-Hellman
)

// transport/ws.
const (
	HTTPIdle = 30 * time.Second // an HTTP connection without a request is closed: browsers open spare ones
)

// internal/ws.
const (
	PongBytes = 1 << 10 // bytes of pongs that wait for a peer that does not read; further ones are dropped (RFC 6455, section 5.5.3)
)

// internal/session.
const (
	HandshakeBuckets  = 1_024                  // budgets of first messages kept: one per ingress link, and one per return waypoint that showed a cookie
	HandshakeLoad     = HandshakesInFlight / 8 // answers under way from which on every first message has to show a cookie (WireGuard: an eighth of the queue)
	HandshakeAnswers  = 4 * HandshakesInFlight // answers remembered, finished ones included, so that late copies of a first message cost nothing
	HandshakeGlare    = HandshakeRetryMax      // how long a handshake of our own keeps a peer's from being answered
	SessionUnknownGap = time.Second            // least time between handshakes that "session unknown" hints cause with one peer
	SessionDoubt      = 10 * time.Second       // silence of a peer that owes acks after which a new session is tried beside the old one
	RekeyGap          = time.Minute            // pause after a renewal that got no answer
	HomesTold         = 60 * time.Second       // peers talked to within this time are told new homes
	MessageStall      = 10 * time.Millisecond  // first pause after a full outgoing queue; doubles
	MessageStallMax   = MessageRTOMin          // longest such pause
	MessageReorder    = 5 * time.Millisecond   // least time between two transmissions from whose order a loss is concluded
	AckReach          = 256                    // message ids below a range that an ack covers once more, in case an earlier ack was lost
)
