package session

import (
	"io"
	"time"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// Config is what a Table needs of its owner. The functions are called on
// whatever goroutine called the Table; those marked "locked" are called while
// locks of the Table are held and must not call back into it.
type Config struct {
	Self     wire.ID       // own ID
	Instance wire.Instance // random per start; not zero

	// Credentials returns the static key and its certificate (wire.CertLen
	// bytes), renewed by the owner. Called by the control calls. Not used with Null.
	Credentials func(now time.Time) (identity.Static, []byte)
	// NetworkKey is nil or the 32 bytes that every node of a closed mesh holds.
	NetworkKey []byte
	// Rand is the source of ephemeral keys, indices and secrets. It is read by
	// one goroutine at a time.
	Rand io.Reader
	// Capabilities are told to every peer (wire.CapDatagram and so on).
	Capabilities uint32

	// Homes returns the relays that this node is attached to, the best first, at
	// most limits.Homes; nil: a relay, which needs none. Locked.
	Homes func() []wire.ID
	// Behind returns who is at the other end of a link that a handshake came in by,
	// zero if it is gone. A leaf answers by that link: its other relays may drop
	// what they should carry. Called within control calls. Nil: the best way back.
	Behind func(ingress uint64) wire.ID
	// Rank sorts the homes of a peer, in place: those that frames of ours reach in
	// the fewest hops first. Locked. Nil: they stay as the peer told them.
	Rank func(homes []wire.ID)

	// Emit routes one complete frame of ours by the first hop that c says and tells
	// which that is; ok is false when no link took it. Then hop is that of a link that
	// is full now, and of which Table.Room will tell, or zero. The frame is only valid
	// during the call. It must not block. Locked.
	Emit func(frame []byte, c Choice) (hop wire.ID, ok bool)
	// Holds says what has become of a frame that Emit sent by hop: a Transmission
	// names it. mark is zero when a frame is asked about for the first time, and
	// between calls it is kept for Holds. It is called when an ack is late, never for
	// each message. Locked. Nil: no link holds anything.
	Holds func(hop *wire.ID, copy uint64, mark *uint64) Holding
	// Deliver hands what arrived to its port: reason.None accepts it;
	// reason.PortFull or MemoryLimit leaves a message with its sender, who tries again; any
	// other reason is told to the sender as a refusal. May wait limits.TransitWait.
	Deliver func(d *Delivery) reason.Reason
	// Arm asks for a Tick at the given time, which is earlier than every time
	// told before it by Arm or Next. Locked. Nil: the owner polls Next.
	Arm func(at time.Time)
	// Doubt tells that copies by way of a first hop get lost time and again, to
	// more than one destination. It must not block. Nil: nobody listens.
	Doubt func(hop wire.ID)
	// Lost tells that the first copy of a message or handshake was lost by way of a
	// first hop, while a later copy by another one arrived. It must not block. Nil:
	// nobody listens.
	Lost func(hop wire.ID)
	// Aim draws the first bits of the Key that a scatter frame to a node makes for:
	// what is sent again goes another way by it. Locked, and called by any goroutine.
	// Nil: there are no scatter frames.
	Aim func(to wire.ID) [8]byte
	// Notify tells what became of peers. Nil: nobody listens.
	Notify func(Event)
	// Budget is charged with what waits for peers: datagrams and messages without a
	// session, messages that were copied, frames that are held. Who has its part of it
	// is refused. Nil: it is bounded for each peer alone.
	Budget *budget.Budget
	// Drops counts every reason that a method of the Table returns, and those
	// that come up later. Nil: a counter of its own.
	Drops *reason.Counters

	// Null takes the null suite: no keys at all, for simulations. Both ends must
	// have it; a Table without it refuses every null message.
	Null bool
}

// Delivery is a datagram, message or request that arrived. It belongs to the
// Table again when Deliver returns.
type Delivery struct {
	From             wire.ID // authenticated
	Kind             uint8   // wire.PlainDatagram, PlainMessage or PlainRequest
	DstPort, SrcPort uint16
	MessageID        uint64 // of a message or request; Message.RequestID of the response
	Transmission     uint64 // which copy of it this is: Result.First of the sender if it is the first
	Hops             int    // links crossed, 1 for a direct peer
	Data             []byte // 0 to limits.MaxMessage bytes
	Context          any    // of the Batch that it came in; nil for a frame that was held
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	SessionUp    EventKind = iota + 1 // a session stands with a peer that had none, or with a new instance of it
	SessionDown                       // the last session with the peer is gone
	HomesChanged                      // the peer is found at other homes now
)

// Event tells what became of a peer.
type Event struct {
	Kind         EventKind
	Peer         wire.ID
	Instance     wire.Instance // of the peer
	Capabilities uint32        // of the peer
	Homes        []wire.ID     // of the peer, the best first
}
