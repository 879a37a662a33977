// Package limits holds every bound on what a remote peer can make this node
// keep, do or send: one named number each, with its unit and where it comes
// from. A number here has a test in the package that enforces it.
package limits

import "time"

// Frames and messages (docs/protocol.md, sections 2 and 3).
const (
	MaxFrame      = 65_000         // bytes of one mesh frame
	MaxMessage    = 60_000         // bytes of one application message; larger: split it
	MaxBundle     = 3_584          // bytes of a bundle's datagrams, with their lengths; with all headers, and a full detour list, its frame stays below 4,096 bytes
	SmallDatagram = 512            // bytes of a datagram up to which it may share a frame with others
	MaxRecord     = 65_535         // bytes of one link record on the wire, its tag included (the Noise limit)
	RecordPayload = MaxRecord - 16 // bytes of frames in one record
	MaxHops       = 64             // crossings of a frame, detours included
	MaxPlainHops  = 32             // crossings without a detour
)

// Links: establishing.
const (
	HandshakeTimeout  = 5 * time.Second        // from the carrier's opening to the last handshake message
	PreAuthBytes      = 4 << 10                // bytes held for a link that has not proved itself
	PreAuthLinks      = 256                    // links under way at once, accepted ones
	PreAuthLinksPerIP = 8                      // the same from one /32 or /56; loopback exempt
	PreAuthLinksGroup = 64                     // the same from one /16 or /48; loopback exempt
	DialStagger       = 250 * time.Millisecond // before the next address of a name is dialled beside one that says nothing (RFC 8305)
	DialAddresses     = 16                     // addresses of a name that one dial tries
	DialsInFlight     = 8                      // dials under way at once

	LinkHandshakes        = 256             // handshakes of accepted links that are computed per second: 0.28 ms each for a first message alone, 0.55 ms for a whole one (measured): 0.07 to 0.14 of a core
	LinkHandshakeBurst    = 64              // of them at once: a mesh that starts together
	LinkHandshakesWaiting = PreAuthLinks    // that wait for their turn
	HTTPHeaderTimeout     = 3 * time.Second // to read the request line and headers, and for a TLS handshake before: a lost packet is sent again twice
	HTTPHeaderBytes       = 8 << 10         // of request line and headers
	ProxyHeaderBytes      = 1 << 10         // of a PROXY protocol header; the longest of haproxy with its TLVs has some hundred
)

// Links: queues (measured: between 64 KiB and 1 MiB the throughput is the same, so the size is a choice of latency).
const (
	LinkQueue         = 256 << 10 // bytes pending for one outgoing link, shared among its active ingress queues
	LinkQueueShareMin = 32 << 10  // least share of one ingress queue
	LinkBatch         = 132 << 10 // most bytes that one flush takes: two full records and a little
	SlowRate          = 64 << 20  // bytes/s below which a link is slow: a whole batch takes over 2 ms
	SlowBatch         = 32 << 10  // bytes that one flush of a slow link takes, and that a chunk for it holds: who comes later waits 1.6 ms for them at 20 MB/s
	SocketUnsent      = 64 << 10  // bytes unsent in a socket from which on it counts as full (measured without cost against 128 KiB)
	SlowUnsent        = 16 << 10  // the same of a slow link's socket: 0.8 ms at 20 MB/s in place of 3.3
	MaxRun            = 32 << 10  // bytes appended under one lock

	FlowRate      = 16 << 20               // bytes/s below which frames wait by flows: more than a line of 100 Mbit/s, and above it LinkQueue leaves within 16 ms
	RateTime      = 100 * time.Millisecond // of flushes without a pause that say how fast a link is, or
	RateBytes     = 1 << 20                // so many bytes: a scheduler's time slice alone makes no link slow
	RateBuffer    = 256 << 10              // bytes that a carrier may take at once after a pause
	FlowQuantum   = 4_096                  // bytes of a flow, and of a source, in one turn; RFC 8290 has one packet of 1,514
	LinkFlows     = 1_024                  // flows, and sources, that a slow link tells apart; half of them of one ingress. RFC 8290 has as many
	LightFlows    = 8 << 10                // bytes beyond the share of an ingress, of flows with FlowQuantum waiting at most
	OwnUrgent     = 16 << 10               // bytes of this node's own of classes 0 and 1 that always have room
	OwnQueueTime  = 50 * time.Millisecond  // of the rate: own messages that wait in one flow, or one of them; a writer may be woken late
	SlowQueueTime = 500 * time.Millisecond // of the rate: what waits on a slow link in all
	SlowQueueMin  = 16 << 10               // bytes, the least of that
	SlowBatchTime = 5 * time.Millisecond   // of the rate: what one flush takes then
	SlowBatchMin  = 1_500                  // bytes, the least of that
	PieceRate     = 2_000_000              // bytes/s below which long frames leave in pieces: above, one of 60,000 bytes takes 30 ms
	PieceTime     = 10 * time.Millisecond  // of the rate: a piece, at least wire.MinPiece; what is not half as long again leaves whole
	PieceQuantum  = 1_500                  // FlowQuantum while frames leave in pieces: RFC 8290's packet
	PieceSlots    = 64                     // frames of one link and direction in pieces at a time
	PieceBytes    = 192 << 10              // bytes of them: three of the longest, and in memory no more than 256 KiB
	CoDelTarget   = 20 * time.Millisecond  // a datagram may wait; RFC 8289 has 5, but one frame alone takes 12 at 1 Mbit/s
	CoDelInterval = 100 * time.Millisecond // for so long one may wait longer before one is dropped (RFC 8289)
	MarkWait      = 50 * time.Millisecond  // a frame of class 2 may wait
	MarkAfter     = 200 * time.Millisecond // for so long all of a flow may wait longer before they are marked: what a carrier releases after a lost packet is over by then

	TransitWait     = 25 * time.Millisecond // a reader waits for room; above the scheduler's time slice of 10 ms
	InlineQuiet     = 20 * time.Microsecond // pause on a link after which whoever completes a small batch flushes it
	InlineFrames    = 2                     // a batch of at most so many frames is flushed by whoever completed it
	ReadAhead       = 32 << 10              // bytes of batches that a reader deals with before it has them sent on, although more has arrived
	ReadAheadFrames = 32                    // frames of them: a record's own cost, some 9 us a link, is then 0.3 for each
	ControlFrames   = 64                    // link frames pending; one more ends the link
	ControlBytes    = 192 << 10             // bytes of them: four of the longest answers to requests for contacts, see FindNodesOpen
	PriorityRate    = 64 << 10              // bytes/s of classes 0-1 from one ingress that keep their class
	PriorityBurst   = 64 << 10              // bytes
	WriteStall      = 5 * time.Second       // a write that makes no progress ends the link

	LinkReceiveBytes  = 4 << 20                // bytes/s of one link, or
	LinkReceiveFrames = 8_000                  // frames/s, beyond which its reader lets all others go first; alone it is as fast as it can be
	LinkReceiveBurst  = 250 * time.Millisecond // what may come at once: 1 MiB
)

// What a node holds for others (docs/adr/028): on links, for sessions and for ports.
const (
	MemoryWaiting    = 32 << 20          // bytes of what waits that Config.MaxMemory has room for by itself: half of what a node may grow by however many links misuse it
	MemoryLeast      = 16 << 20          // bytes, the least default on a small machine
	MemoryMin        = 4 << 20           // bytes, the least that can be set
	LinkMemory       = 32 << 10          // bytes of a link on which nothing waits (TestIdleLinkBudget)
	LinkMemoryWebRTC = (256 + 512) << 10 // the same over WebRTC, and what its library holds unsent at most

	BudgetPart    = 16 // one account may hold this part of what is free: of 60 that take all they can, each gets a 76th of the whole
	BudgetReserve = 8  // this part is for accounts on which nothing waits yet
)

// Links: what the carrier of a slow one may hold (ADR 047).
const (
	LineTarget      = 20 * time.Millisecond // of the line's rate that may stand in a queue of the line: what a wait below can refill
	LineBase        = 10 * time.Second      // the least round trip is that of the last one to two of these
	LineBaseNear    = 2 * time.Millisecond  // a round trip that is so little over the least one is one as well
	LineRateRounds  = 10                    // the greatest rate is that of so many round trips
	LineRateSpan    = time.Second           // or of so long
	LineSample      = 5 * time.Millisecond  // a rate is measured over no less: a relay or a shaper on the way takes a burst at once
	LineSegment     = 1448                  // bytes of a packet, at most and where the carrier does not know
	LineSegments    = 2                     // packets that the carrier may hold in any case
	LineStart       = 10                    // the same while nothing is known of the line (RFC 6928)
	LineStartRounds = 3                     // the start is over when the rate has grown by less than a quarter in so many rounds
	LineStep        = 8 << 10               // bytes of room that make a flush worth while; a quarter of the limit if that is less
	LineWaitMin     = 2 * time.Millisecond  // a writer without room looks again after a quarter of the least round trip, no sooner than this and no later than LinkTick
	LineDrainChecks = 8                     // looks for the least round trip while the line is drained for it, the least or LineTarget apart
	LineMost        = 64 << 20              // bytes that no line has use for
	LineTrip        = 30 * time.Second      // the longest round trip that is believed
	AckSpan         = 20 * time.Millisecond // of the rate at which bytes come, after which a link ack is due, so that the neighbour learns in time of what was read: at least AckBytesMin, at most AckBytes
	AckBytesMin     = 1500                  // bytes
)

// Links: liveness and acks.
const (
	SentRing        = 64 << 10               // bytes of class 0-2 frames kept until acked; older ones count as taken
	ReforwardShare  = 8                      // the part of what a neighbour has acked that may be sent once more because its acks are late; before that, a whole SentRing
	AckBytes        = 32 << 10               // a link ack is due after so many bytes of messages with such frames
	AckBulkShare    = 8                      // the part for which messages without one count: nobody waits to forget them
	AckDelay        = 50 * time.Millisecond  // or after this time
	AckPatience     = 10 * time.Second       // a neighbour that answers pings and acks none of the frames that wait for it is cut: more than twice LinkRTOMax
	LinkTick        = 25 * time.Millisecond  // how often a link that owes something is looked at
	LateTick        = 200 * time.Millisecond // a look that comes so late says that the node stood still: it is not counted as silence of its neighbours
	IdleTick        = time.Second            // how often the others are
	PingIdleRelay   = 5 * time.Second        // silence after which a relay is pinged
	PingIdleLeaf    = 15 * time.Second       // silence after which a leaf is pinged
	PingAnswer      = 10 * time.Second       // a ping without a sign of life for so long: the link is dead (a relay: 15 s of silence)
	LinkRTOMin      = 250 * time.Millisecond // a link that has taken nothing of what waits for so long, at least, is suspect
	LinkRTOSoon     = 800 * time.Millisecond // and for so long at most, unless twice the round trip is longer
	LinkRTOMax      = 4 * time.Second        // most time: of a link that was seen to take a second for a round trip; less than half of PingAnswer
	LinkRekey       = 1 << 16                // records after which a direction takes a new key
	ByeContacts     = 8                      // contact records in a Bye
	ByeFlush        = time.Second            // a Bye and what was queued before it are written for at most this long
	ByeGrace        = time.Second            // after a failed write the peer's Bye, which may have come already, is waited for so long: on a busy machine the reader is late
	PeerListEntries = 256                    // neighbours in one Peers frame
	NodesEntries    = 20                     // contact records in one answer
)

// Links: how many.
const (
	RelayLinks         = 24              // relay links of a node without a port
	RelayLinksPort     = 200             // relay links of a node with a port
	LeafLinksPort      = 256             // leaf links of a node with a port
	LeafSilent         = 2 * time.Second // a leaf that has not answered its first ping for so long yields its place
	ReplacedWait       = 60 * time.Second
	ReplacedWaitMax    = 10 * time.Minute
	DisconnectHold     = 10 * time.Minute // a peer told to go stays away
	BootstrapRetry     = 2 * time.Second  // longest pause between tries of a bootstrap while no link is up
	BootstrapRetryLive = 30 * time.Second // the same beside live links
	NameLookFew        = 15 * time.Second // longest pause between looks at other addresses of a bootstrap name, while links are few
	NameLook           = 45 * time.Second // the same later
	NameLookAgain      = 10 * time.Minute // longest pause until an address that led to nothing new is looked at again
	NameAddresses      = 64               // addresses of a bootstrap name that are remembered
	Bans               = 256              // peers told to stay away
	BadRecords         = 8                // records or link frames of a peer's own that no honest one says, as their form or signature is wrong: the link ends; more than a flipped bit or a bug brings, fewer than one Nodes frame holds
	BadRecordsForget   = 10 * time.Minute // until all of them are forgiven, one after the other
	BadPeers           = 256              // peers sent away for that, and so many that have left and are not forgiven
	OwnContacts        = 256              // contact records of this process whose sequences are remembered: one is signed each half hour, or when addresses change
	MaxLinks           = 65_536           // either cap may be set no higher
	BootstrapURLs      = 64               // URLs remembered to join by
	EndingLinks        = 256              // links whose peers are given ByeFlush to take a Bye, as many as LeafLinksPort; others end at once
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

	RecordAnswerRate  = 10 // records sent back to those who look for a leaf, per second
	RecordAnswerBurst = 20
	AimDepthLeaf      = 6 // leading bits that a leaf's aims share with the Key of a destination at most: right among 1,024 relays

	LoopQueue = 1024 // events waiting for the control loop
)

// Sessions (docs/protocol.md, section 4).
const (
	Sessions            = 4_096                 // peers with a session; beyond it one goes, of the address group and ingress link that brought most
	SessionsPerLink     = Sessions / 8          // of a full table: a link, or an address group, that brought as many displaces its own alone. An eighth, as of records: seven others still find room
	SessionsInUse       = Sessions * 3 / 4      // that no stranger displaces while they are in use, the oldest first; the others leave room for newcomers
	SessionHeld         = time.Minute           // how long traffic of ours keeps strangers from displacing a peer, and traffic of its own where it has been there as long: a fifth of SessionIdle
	SessionTurn         = 20 * time.Millisecond // between two looks for a place in a table that is full of peers that messages of ours wait for: 0.3 ms each
	SessionIdle         = 5 * time.Minute       // silence after which a session is dropped
	RekeyAfter          = 10 * time.Minute      // age at which the initiator begins a new handshake
	RekeyMessages       = 1 << 24               // messages at which it does
	HardMessages        = 1 << 25               // messages after which a session is not used any more
	PreviousSession     = 60 * time.Second      // how long a replaced session still opens
	ReplayWindow        = 8_128                 // counters behind the highest that can be told apart
	MessageWindow       = 32_768                // message ids beyond the lowest unacked one
	HandshakeRate       = 20                    // first messages per second per ingress link or, with a cookie, per return waypoint
	HandshakeBurst      = 5
	HandshakesInFlight  = 128
	HandshakeRetry      = 250 * time.Millisecond // first pause; doubles
	HandshakeRetryMax   = 4 * time.Second
	HandshakeAnswerKept = 30 * time.Second       // how long an answer is repeated for the same first message
	WindowFree          = 1 << 10                // bytes of what is remembered of one peer's messages that any peer may have: 8,192 ids that were accepted
	WindowPart          = 8                      // all windows that are larger may have this part of what waits
	MessageMemory       = 576                    // bytes of a message under way beside its data, as measured: what is remembered of it and of the ways that its copies took
	WaitingMessages     = 32                     // messages that wait for a session with one peer
	WaitingBytes        = 64 << 10               // bytes of them
	HeldFrames          = WaitingMessages        // frames that overtook the last handshake message: all that may have waited for it
	DatagramPatience    = 5 * time.Second        // how long a waiting datagram keeps a handshake going
	CookieLife          = 2 * time.Minute        // life of the secret behind cookies
	MessageRTOMin       = 250 * time.Millisecond // least time to an ack before a message is sent again
	MessageRTOSlack     = 10 * time.Millisecond  // least part of that time beyond the smoothed round trip: a scheduler's slice
	MessageBackoff      = 8                      // times that it doubles: no queue may be longer, and a message's own deadline ends it
	Paths               = 4                      // first hops to one peer of which is remembered how long they take, while nothing is on its way by them; others are forgotten
	AckRanges           = 16                     // ranges in one ack
	MessageAckDelay     = 2 * time.Millisecond
	UnackedBytes        = 4 << 20 // bytes of messages toward one peer that are unacked or wait, of those whose senders do not wait for them
)

// Identity and records (docs/protocol.md, section 1).
const (
	CertLife        = 24 * time.Hour
	ClockTolerance  = 5 * time.Minute
	ContactTTL      = 3_600 // seconds
	AttachmentTTL   = 120   // seconds
	TopicTTL        = 600   // seconds
	WithdrawalKept  = 15 * time.Minute
	Homes           = 4 // of one leaf
	LeafHomes       = 3 // that a leaf which stays attaches to
	TopicPayload    = 512
	ContactURLs     = 8
	ContactURLBytes = 256
	LearntPath      = 64 // bytes of the path of a URL that a peer told of; one with a longer path is not dialled
	HintEcho        = 16
)

// Node.
const (
	PortQueue        = 256 << 10        // bytes that wait for a port's handler
	PortQueueMax     = 8 << 20          // bytes, the most that a reader of packets may ask for; QUIC asks for 7 MiB
	Ports            = 1_024            // open ports
	EventsEarly      = 32               // events kept for the first reader of Events
	EventQueue       = 256              // events that wait for one reader of Events; older ones are dropped and counted
	PingReplies      = 64               // answers to pings under way
	RepeatSources    = 256              // URLs, peers or address groups whose troubles are told apart, of each kind
	RepeatBurst      = 64               // of them that are told of at once: as many as BootstrapURLs
	RepeatEvents     = 10 * time.Minute // from then on one in this time; the others are summed up
	RepeatPause      = time.Minute      // after the first of a kind, until what has come again since is summed up; doubles
	RepeatPauseMax   = time.Hour        // longest such pause; what has not come again for so long is news
	RepeatChanges    = 3                // changes of one source that are told at once; each further one after a pause that doubles
	StatusSessions   = 64               // sessions that a status tells one by one, those used last: 10 KiB of JSON
	Scratch          = 2 << 10          // bytes of a small pooled send buffer
	HandshakeWorkers = 2                // goroutines that do the Diffie-Hellman
)

// dgram.
const (
	DatagramWait  = 50 * time.Millisecond // how long WriteTo waits for room in the first link's queue: twice what a relay waits
	DatagramAddrs = 256                   // senders' addresses kept as interfaces: 10 KiB when full
)

// The public port as a web server, and internal/admin.
const (
	HTTPIdle           = 30 * time.Second  // an HTTP connection without a request is closed: browsers open spare ones
	HTTPRequestTime    = 10 * time.Second  // for a whole request of the public port, and for the answer; a link's upgrade ends it
	EdgeText           = 100               // characters of an Origin in such a warning
	EdgeWarnings       = 10 * time.Minute  // between two warnings about proxies that are not declared, and between two about pages that are refused
	HTTPConns          = 1_024             // connections of the public port that are no link yet: four times PreAuthLinks, 16 MiB in all
	HTTPConnsPerSource = 64                // of them, from one IPv4 address or IPv6 /64: eight times PreAuthLinksPerIP, a 16th of all; loopback and trusted proxies exempt
	HTTPConnRate       = LinkHandshakes    // connections of the public port served per second, HTTPConns at once: some 100 µs each with an upgrade (measured), and a link takes a turn too; loopback and trusted proxies exempt
	HTTPGroupRate      = 32                // of one /16 or /48, served in any case
	HTTPGroups         = 1_024             // groups told apart in a second; others share HTTPConnRate
	AdminConns         = 32                // connections of the admin listener: a few browsers and commands
	AdminHeaderTime    = time.Second       // to read a request's header there: it comes from this machine
	AdminHeader        = 8 << 10           // bytes of request line and headers there
	AdminBody          = 64                // bytes of a request's body there: the name of a log level
	AdminRead          = 5 * time.Second   // for a whole request there
	AdminWrite         = 150 * time.Second // for an answer there: a CPU profile of two minutes
	AdminScrapes       = 2                 // scrapes of the metrics at once
	RuntimeFile        = 4 << 10           // bytes of a runtime file that are read
	RuntimeFiles       = 256               // runtime files that are looked at
	AdminAnswer        = 64 << 20          // bytes of an answer that a command reads: a status of MaxLinks peers, 1 KiB each
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
	HandshakeCourtesy = HandshakeRetry         // how long a handshake of our own waits for one of the peer's that was answered
	SessionUnknownGap = time.Second            // least time between handshakes that "session unknown" hints cause with one peer
	SessionDoubt      = 10 * time.Second       // silence of a peer that owes acks after which a new session is tried beside the old one
	RekeyGap          = time.Minute            // pause after a renewal that got no answer
	HomesTold         = 60 * time.Second       // peers talked to within this time are told new homes
	ReviveGap         = 2 * time.Second        // least time between two words of a peer's homes that have what is late leave again at once: by a window's worth of messages
	MessageStall      = 10 * time.Millisecond  // first pause after a full outgoing queue; doubles
	MessageStallMax   = MessageRTOMin          // longest such pause
	MessageReorder    = 5 * time.Millisecond   // least time between two transmissions from whose order a loss is concluded
	AckReach          = 4_096                  // message ids below the newest range that an ack covers once more, in case an earlier ack was lost or is late: what 100,000 messages/s bring in 40 ms
	LeadLife          = 2 * time.Minute        // how long a first hop that did better than the best choice goes before it; then that is tried again
	FirstHopsTried    = 16                     // first hops that are tried in close order
	FirstHopsPause    = time.Second            // longest pause between copies meanwhile: 16 first hops within 15 s, half of what a sender waits
	ScoredHops        = 256                    // first hops with a score: more than RelayLinksPort
	FirstCopies       = 64                     // copies of a first message that leave in close order, and of which is known how they left. Simulated: from 20 % of all relays bad to a quarter of them Sybils that were there first, 97.9 to 100 % are found by then (docs/adr/026)
	FirstCopiesSoon   = 32                     // of them in volleys that double, within 8 times the pace; simulated: 86 to 100 % are found by copy 8, 97.9 to 100 by copy 16
	FirstCopiesPause  = time.Second            // between the others
	SecondCopies      = 16                     // copies of a second message of which is known how they left
	SearchPaceMin     = 100 * time.Millisecond // least pace of the volleys; simulated with 1.5 round trips
	SearchPaceMax     = 250 * time.Millisecond // most, and where no round trip is known: copy 16 leaves within a second, copy 32 within two
	SearchLate        = time.Second            // longest mean round trip that a volley waits for, though the pace is shorter: strangers can make sessions slow
	SearchRate        = 20                     // handshakes a second that may send more than one copy of a first message
	SearchBurst       = 20
	NoRouteCopies     = 16              // copies of a first message that have left before nobody has the ID: by then 97.9 to 100 % were found where a fifth of the mesh hides them (simulated)
	NoRouteAfter      = 2 * time.Second // from the first copy, after which those not heard of count for nothing
	NoRouteAgain      = 4               // copies of something in a session that leave at once after a Hint that the peer is nowhere; then the peer is away
	AwayPause         = HandshakeRetry  // first pause between two probes of a peer that is away; doubles, up to FirstHopsPause until FirstHopsTried have left
	AwayPauseMax      = HandshakeRetryMax
	AwayGap           = HandshakeRetry         // least time between two of them, whatever ends the pause
	ChangeGap         = 100 * time.Millisecond // least time between two looks at all peers because links of this node changed
	ChangeSpread      = 2 * time.Millisecond   // between two peers that are looked at then: 4,096 within 8 s
	ReachedLife       = 10 * time.Minute       // how long after a proof that it is there no answer of a relay ends a Send to a node
	ReachedPeers      = 2 * Sessions           // of those without an entry in the table that were spoken with, how many are remembered: 10 minutes of a full table that lets one go after SessionIdle
	ReachedLinks      = 1_024                  // of those that were linked, the same
	BlameGap          = MessageRTOMin          // losses by one first hop within this time count once
)

// internal/engine: membership (docs/protocol.md, section 2).
const (
	NearSet          = 4                      // relays nearest the own Key that a node keeps links with
	SpareLinks       = 4                      // of the relay cap, for those who need a link; own requests stop below
	ProvenAfter      = 10 * time.Minute       // age at which a link is proven: no stranger takes its place
	ListHold         = 10 * time.Minute       // the list of a neighbour by way of which something got lost is not looked at
	ListLosses       = time.Hour              // for so long such a loss counts
	ListLossesMost   = 3                      // with so many of them it is not looked at until the link ends
	DoubtHold        = 2 * time.Minute        // a relay by way of which frames get lost is left out; then it is tried again
	GroupLinks       = 8                      // relay links with one address group (/16, /48) while no place is free, of up to 24
	GroupPart        = 3                      // the part of more places than that
	GroupBucketLinks = 2                      // of GroupLinks, those in one bucket
	ContactsPerLink  = 3                      // contacts kept for each relay link that a node may have
	ContactsMin      = 48                     // contacts kept at least
	LearntDials      = 4                      // dials under way to nodes that peers told of
	RetryDials       = 2                      // of them, to nodes that could not be reached before
	AskPause         = time.Second            // first pause between questions for links over WebRTC that nobody answers, asked one at a time; doubles
	AskPauseMax      = 16 * time.Second       // longest such pause: a little more than SignalTimeout, so that half of the time nothing is asked
	ContactRetry     = 2 * time.Second        // first pause after a failed dial to such a node; doubles
	ContactRetryLost = 15 * time.Second       // longest pause to a node that was linked within ContactLost
	ContactRetryMax  = 5 * time.Minute        // longest pause to others
	ContactLost      = 10 * time.Minute       // how long a lost peer is looked for in its place
	ContactFailures  = 6                      // failed dials after which another node is forgotten
	ContactRefused   = time.Minute            // pause after a node had no room for a link
	RepairJitter     = time.Second            // a lost link is replaced within this time, so that not all do so at once
	NearExchange     = 30 * time.Second       // a relay of the near set is asked for the nearest it knows
	BucketCheck      = time.Minute            // an empty bucket is looked into
	FillGap          = 100 * time.Millisecond // least time between two looks for links of a node with a near set
	ImproveGap       = 30 * time.Second       // a contact that may be faster than a link is tried, one in this time
	SlowPause        = 10 * time.Minute       // a peer whose link was given up for a faster one is not dialled again so long
	FarLookup        = 5 * time.Minute        // the own Key is looked up through a far peer, so that meshes merge
	PeersGap         = 5 * time.Second        // least time between two lists of the own relay links
	PeersGapPerLink  = 100 * time.Millisecond // the same, for each link that it goes to
	PeersDelay       = time.Second            // changes gather this long for one list
	SnapshotGather   = time.Second            // neighbours' lists gather this long for one snapshot
	Asks             = 32                     // lookups and probes under way
	AskTries         = 4                      // frames sent for one of them
	AskRetry         = 250 * time.Millisecond // first pause; doubles
	FindNodeBytes    = 1_400                  // bytes of a padded lookup, and so the most of its answer
	LookupRounds     = 8                      // answers that one Lookup asks for
	FindNodesOpen    = 4                      // requests for contacts that a link may have open
	LinkFindNodes    = 4                      // such requests sent in one look for links
)

// internal/engine: records.
const (
	Records             = 65_536                 // records that a relay holds, half of them those nearest its Key; beyond it the other one that ends first goes
	RecordsShare        = 8                      // the part of them that may come from one peer
	RecordsRemembered   = 65_536                 // leaves of whom no record is held, and whose last sequence is remembered: three links that store without end fill it, 50 a second for seven minutes each
	RecordCopies        = 3                      // relays that get a copy where a Store ends
	RecordHolders       = 8                      // so many relays, the nearest to a Key that they know of, take a record from anybody
	RecordsHandedOver   = 256                    // records copied to a nearer relay because its link came up; their owners' next refresh takes the others there
	RecordsHandedAtOnce = 16                     // of these in one go: a quarter of ControlFrames
	RecordsHandPause    = 100 * time.Millisecond // between two goes: RecordsHandedOver take 1.6 s, in which the receiver takes StoreBurst and 80 more
	RecordsSweep        = time.Second            // least time between two looks for records whose life has ended
	RecordStores        = 12                     // Stores by which the homes of a leaf lay its record, at each renewal, in all
	RecordTold          = 12                     // links that each of them tells beside
	LaySpread           = 5 * time.Second        // over which they spread that; a leaf whose record changes more often is laid no more often
	HeldWait            = 2 * time.Second        // a relay that has not said by then that it holds a leaf's record is no home
	HeldRetry           = HeldWait / 4           // it is told again meanwhile, in case it had no time
	HeldAgain           = 4 * time.Second        // and later, while the leaf has no home at all
	HeldAwaited         = Homes                  // records of a leaf, the newest, that a home may still answer
)

// node: known peers, and direct links on request.
const (
	KnownPeers         = 256               // peers remembered on disk: ten times the relay links of a node without a port
	KnownPeersBytes    = 2 << 20           // bytes of their file; 256 of the longest contact records come to 1.4 MiB
	StateLook          = 5 * time.Second   // how often the state directory is looked at
	KnownPeersFirst    = 2 * time.Second   // after the first links they are written
	KnownPeersWrite    = time.Minute       // and from then on, when they changed, so often
	TraceHops          = MaxPlainHops      // probes of one trace
	TraceInFlight      = 4                 // of them under way
	TraceSilent        = 2 * TraceInFlight // probes in a row without an answer that end a trace
	ConnectDial        = 2 * time.Second   // how long who is asked for a link tries the asker's URLs
	ConnectDials       = 16                // such tries within ConnectDialPause: 8 per second
	ConnectDialsPeer   = 2                 // of them, for one asker
	ConnectDialPause   = 2 * time.Second   // no shorter than ConnectDial, so ConnectDials bounds those under way too
	ConnectAnswers     = 128               // questions answered at once: each holds a goroutine, most of them for a round trip
	ConnectAnswersPeer = 3                 // of them, of one asker: its Connect, its table, and one whose reply it has not acknowledged
	ConnectRefusals    = 32                // refused with a reply at once beyond ConnectAnswers; of one asker one
	ConnectReply       = 2 * time.Second   // how long a reply is tried
	ConnectAgain       = 2                 // times that a Connect asks anew when the peer has given an attempt up before its answer
	ConnectPause       = time.Second       // first pause of a Connect whose node has not answered, before it asks again; doubles
	ConnectPauseMax    = 8 * time.Second
	ConnectArrive      = 2 * time.Second // how long a link that the other side says is up may take to show here
)

// WebRTC links and their signalling (docs/protocol.md, section 2).
const (
	WebRTCLinks    = 32                     // WebRTC links of a node: each takes about 260 KiB and 21 goroutines
	DirectLinks    = 4                      // of them, reserved for pairs that talk much or were told to link; and the links that pairs make of themselves, whatever the carrier
	GatherTime     = 500 * time.Millisecond // how long an offer waits for candidates; later ones follow it
	SDPBytes       = 8 << 10                // bytes of an offer or answer; one for data alone has 700
	Candidates     = 16                     // of each end of a link
	CandidatePorts = 4                      // of them, with one address: a server each sees two of the peer's sockets at its NAT
	CandidateAddrs = 8                      // addresses of a peer's candidates that are tried
	CheckRequests  = 3                      // packets to each candidate of an offer after the first, 0.2 s apart: whoever made it sends more, and each is answered
	CandidateBytes = 256                    // bytes of one candidate
	SignalSessions = 64                     // links being signalled at once
	SignalAccepted = 48                     // of them, begun by peers: who floods leaves room for a node's own
	SignalPeers    = 256                    // peers whose sessions, offers and early candidates are remembered: four times SignalSessions
	SignalUsed     = 8                      // sessions of a peer that are remembered: twice OfferBurst
	OfferPause     = 2 * time.Second        // least time between a peer's offers, on average: five within SignalTimeout
	OfferBurst     = 4                      // of them at once
	SignalTimeout  = 10 * time.Second       // from an offer to an open data channel
	ICEServers     = 8                      // servers in a config
	RelaySTUN      = 2                      // relays that a link asks for its public address: one may be silent

	HostCandidates  = 10              // of an end's candidates, its own addresses: room is left for those that servers tell
	ICEKeepalive    = time.Second     // between signs of life of a WebRTC link
	ICEDisconnected = 4 * time.Second // without one: in doubt
	ICEFailed       = 4 * time.Second // in doubt so long: dead, 8 s after the last sign
	STUNRate        = 20              // answers per second to one /24 or /48: a node asks a few times an hour
	STUNBurst       = 40
	STUNRateAll     = 4_000 // answers per second to all, whoever the askers say they are: 12 µs each (BenchmarkAnswer), 5 % of a core
	STUNBurstAll    = 1_000
	STUNBuckets     = 256                    // networks told apart; those with the same hash share
	UDPErrors       = 100                    // failed reads in a row after which the fixed socket is given up
	CloseMost       = 3 * time.Second        // how long an end of a WebRTC link is waited for in any case; it takes milliseconds, or CloseLinger
	HandshakeTurns  = 8                      // WebRTC links of which the descriptions are made, or the hands shaken, at once: 7 ms each when nothing else runs
	HandshakeTurn   = time.Second            // after which a handshake waits for the network, and lets the next begin
	UnprovenBytes   = 64 << 10               // bytes more than it has sent, of DTLS's handshake too, that a WebRTC link takes before its first message is whole: a Hello has 4 KiB, the handshake 4 KiB, and packets get repeated
	UnprovenLook    = 50 * time.Millisecond  // between two looks at that; after two of them the link is ended. Until then the library's window bounds it, 1 MiB
	StuckEnds       = 8                      // ends that have not ended after CloseMost, about 2 MiB of them, from which on peers have to tell SCTP's handshake in their descriptions: a repeated one has locked up the library
	StuckEndsMost   = 2 * StuckEnds          // such ends from which on there are no new WebRTC links
	CloseLinger     = 500 * time.Millisecond // how long the end of a WebRTC link waits until what was flushed has arrived: two delayed acks and a long round trip
)

// internal/engine: direct links of pairs that talk much (docs/adr/016).
const (
	HotBytes    = 64 << 10         // bytes in a second, to and fro, with which a pair talks much
	HotMessages = 200              // or frames
	HotSeconds  = 3                // in a row, after which it is worth a link: a burst is over by then
	HotYield    = 2                // seconds that the higher ID leaves the lower one to begin
	HotQuiet    = 8                // a pair with less than this part of either is silent
	HotIdle     = 30 * time.Second // silence after which its link may go for that of another pair
	HotRetry    = 30 * time.Second // pause after an attempt that failed, or a link that ended sooner; doubles
	HotRetryMax = 10 * time.Minute // longest such pause
	HotPeers    = 64               // peers whose traffic is looked at for this: sixteen times DirectLinks
)

// What is done when the network below a node changes (docs/adr/051).
const (
	NetTick       = time.Second            // how often the clocks are looked at
	NetSlept      = 3 * time.Second        // a process that stood still for so long has slept; less is a busy machine
	NetGather     = 100 * time.Millisecond // what changes within this time of another change is one with it
	NetGatherMost = 500 * time.Millisecond // and this is the longest such time
	NetLook       = 2 * time.Second        // how often the machine's addresses are looked at where the kernel does not tell
	NetLookHinted = 30 * time.Second       // and where it does
	NetResets     = 8                      // changes in a row that end dials and their pauses at once,
	NetResetPause = 5 * time.Second        // and from then on one in this time: where containers come and go, addresses do all the time
	NetCalm       = 3 * time.Second        // what fails within this time of a change is the change's fault
	ProbeAnswer   = time.Second            // a link that is probed after a change and says nothing for so long is ended; one whose acks take longer has twice the time
)

// What a node looks at again while it runs: its files, its certificate, its ICE servers.
const (
	FileLook           = 10 * time.Second    // between two looks at whether a file has changed
	CertificateWarning = 14 * 24 * time.Hour // before the end of a certificate: two weeks to renew it in
	ICEServerTime      = 5 * time.Second     // for a TURN or STUN server to answer: a second lost packet is sent again after 1.4 s
	ICEServerLook      = 10 * time.Minute    // between two looks at one that answered
	ICEServerRetry     = time.Minute         // and at one that did not
)
