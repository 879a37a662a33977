package engine

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// Config says what an engine decides for.
type Config struct {
	Self      routing.ID
	Leaf      bool
	MaxRelays int // links with relays
	MaxLeaves int // links with leaves
	Homes     int // of a leaf: relays to attach to, 1 to limits.Homes; 0: limits.LeafHomes
	Rand      *rand.Rand
	Sessions  *session.Table
	Drops     *reason.Counters

	// Sign returns a signed record of this node, with a sequence above all before.
	Sign func(kind wire.RecordKind, now time.Time, ttl uint16, body []byte) []byte
	// Signed says whether a contact record of this node with such a sequence may be
	// its own: signed by this process, or before it began. Nil: all are.
	Signed func(sequence uint64) bool
	// Verify checks a record, as identity.VerifyRecord does.
	Verify func(record []byte, now time.Time) (wire.Record, wire.ID, error)
	// Contact returns what this node says of itself: a signed contact record with
	// at least half of its life left.
	Contact func(now time.Time) []byte
	// Dialable says whether this node has a carrier for a URL, and whether its
	// host, where that is an address, is of one of the scopes. Nil: for all.
	Dialable func(url string, scopes Scopes) bool
	// WebRTC says what links over WebRTC are for.
	WebRTC WebRTCUse
	// MaxWebRTC caps the links over WebRTC, direct ones included; 0: limits.WebRTCLinks.
	MaxWebRTC int
	// PlainGreedy leaves the look-ahead out of the snapshots, to be compared with.
	PlainGreedy bool
	// AllCarry makes every link carry frames of others, to be compared with.
	AllCarry bool
}

// Engine is a node's brain: it is told what happened and answers with what to
// do. Step, Next and Targets are called by one goroutine; Snapshot by any.
type Engine struct {
	cfg     Config
	started time.Time // when the first Step was
	links   links
	targets targets
	membership
	carried  carried
	hot      hotPairs
	holder   holder
	doubts   doubts
	network  network
	misled   misled
	aims     aims
	attach   attachment
	banned   peerTimes // until when a peer stays away that the user told to go
	shunned  peerTimes // the same of one that broke the rules: see faults.go
	owing    peerTimes // when what a peer said wrong is forgiven, of those without a link
	snapshot atomic.Pointer[Snapshot]
	actions  []Action
	picture  []PeerState // publish's memory: with many links it is called often
	weighed  []bool      // weigh's, the same
}

// New returns an engine without links.
func New(cfg Config) (*Engine, error) {
	table, err := routing.NewTable(cfg.Self, cfg.MaxRelays+cfg.MaxLeaves+spareLinks)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg:     cfg,
		links:   links{table: table, byID: make(map[routing.ID][]*neighbour), byNumber: make(map[uint64]*neighbour)},
		targets: targets{byURL: make(map[secret.URL]*Target)},
		banned:  make(peerTimes),
		shunned: make(peerTimes),
		owing:   make(peerTimes),
	}
	e.holder.init(cfg.Self)
	e.initMembership()
	e.aims.init(cfg.Rand)
	e.publish(time.Time{})
	return e, nil
}

// spareLinks leaves the table room for outgoing links beyond the caps.
const spareLinks = 64

// Snapshot is the picture that Forward works on. It never is nil.
func (e *Engine) Snapshot() *Snapshot { return e.snapshot.Load() }

// Linked says whether a link was admitted and is not about to be closed.
func (e *Engine) Linked(l *link.Link) bool {
	n := e.links.byNumber[l.Number]
	return n != nil && !n.closing
}

// Event is something that happened. The types below are the events.
type Event interface {
	step(e *Engine, now time.Time)
}

// Action is something to do. The types below are the actions.
type Action interface{ action() }

// Step takes one event and returns what to do, in order. The slice is valid
// until the next Step.
func (e *Engine) Step(now time.Time, ev Event) []Action {
	if e.started.IsZero() {
		e.started = now
		e.holder.store.memory.begin(now)
	}
	e.actions = e.actions[:0]
	ev.step(e, now)
	e.membershipDue(now)
	e.attachDue(now)
	e.holderDue(now)
	e.doubtsDue(now)
	e.misledDue(now)
	e.dialDue(now)
	if e.redraw {
		e.publish(now)
	}
	return e.actions
}

func (e *Engine) do(a Action) { e.actions = append(e.actions, a) }

// Next is when a Wake is due; false: not before another event.
func (e *Engine) Next() (time.Time, bool) {
	at, ok := e.nextTarget()
	visit := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	if !e.targets.stopped {
		e.deadlines(visit)
	}
	for _, t := range []time.Time{e.doubts.next, e.misled.next} {
		if !t.IsZero() {
			visit(t)
		}
	}
	if t, armed := e.attachNext(); armed {
		visit(t)
	}
	if t, armed := e.holderNext(); armed {
		visit(t)
	}
	if s, armed := e.cfg.Sessions.Next(); armed && (!ok || s.Before(at)) {
		return s, true
	}
	return at, ok
}

// The events.
type (
	// Wake: the time that Next told has come.
	Wake struct{}

	// Join adds URLs to join by, or tries them again at once.
	Join struct{ Targets []TargetSpec }

	// DialFailed: a Dial ended without a link.
	DialFailed struct {
		Target *Target
		Stage  string
		Err    error
		Reason reason.Reason // None: the network's fault, not the peer's
		More   bool          // of a name: the verdict is about one address, and there is another to try
		Silent bool          // over WebRTC: the node that was asked has not answered in time
		Again  bool          // the network changed meanwhile: it is to be dialled again at once
	}

	// Looked: a Dial with Look ended without news, or no address of a name is worth a
	// dial now.
	Looked struct{ Target *Target }

	// LinkUp: a link has proved itself and runs. Target is nil for one that was accepted.
	LinkUp struct {
		Peer   *Peer
		Target *Target
		From   Origin
	}

	// LinkFrame is a link frame that has to be decided about: see TakeLinkFrame.
	// The engine may keep it.
	LinkFrame struct {
		Link  *link.Link
		Frame []byte
	}

	// Known tells of nodes that an earlier run of this node was linked with.
	Known struct{ Contacts []Contact }

	// Lookup asks the mesh for the relays nearest a Key. Done is called once, on
	// the goroutine of Step, with at most Count contacts, the nearest first.
	Lookup struct {
		Target routing.Key
		Count  int // 1 to limits.NodesEntries
		Done   func([]Contact)
	}

	// Reach asks for a link to a node by URLs: those that somebody told of, or else
	// those known of it. A node without one is asked for a link by the caller. Done
	// is called once, on the goroutine of Step: nil when the link is up.
	Reach struct {
		Contact Contact
		ByPeer  bool // that very node asks for the link: who was told to stay away does
		Direct  bool // a link for the pair itself, apart from the table: see direct.go
		Done    func(error)
	}

	// Offered asks whether a link over WebRTC that a node offers would be admitted
	// now. Done is called once, within Step: None keeps a place for it until it is
	// up, or for limits.SignalTimeout.
	Offered struct {
		ID     routing.ID
		Direct bool // as the offer says
		Need   bool // the same
		Wanted bool // it is this node's own, for its user
		Done   func(reason.Reason)
	}

	// CountDial counts a dial that is not one of the engine's. Done is called once,
	// within Step, with its number, for the Hello.
	CountDial struct{ Done func(uint32) }

	// Traffic is what Table.Traffic told, once a second.
	Traffic struct{ Peers []session.PeerTraffic }

	// Trace sends one probe toward a node that ends after so many crossings. Done
	// is called once, on the goroutine of Step; ok is false when nobody answered.
	Trace struct {
		To   routing.ID
		Hops uint8
		Done func(report wire.ProbeReport, ok bool)
	}

	// LinkDown: a link has ended.
	LinkDown struct {
		Link  *link.Link
		Cause reason.Reason
		Err   error // why in more words; nil: Cause says all
	}

	// LinkHealth: a link became suspect or is in good standing again.
	LinkHealth struct {
		Link    *link.Link
		Suspect bool
	}

	// Pong: a link answered a ping.
	Pong struct{ Link *link.Link }

	// Goodbye: a peer said why it ends a link, and whom else to try.
	Goodbye struct {
		Link     *link.Link
		Reason   reason.Reason
		Contacts [][]byte // contact records
	}

	// Passed is a mesh frame that Forward sent on with Verdict.Copy. The engine may
	// keep it.
	Passed struct {
		Link  uint64 // number of the link it came by
		Frame []byte // as it went on
		End   bool   // as the verdict says
	}

	// Lost: a copy of something that left by the choice of k = 0 got lost by way of
	// a peer that is not its destination.
	Lost struct{ Peer routing.ID }

	// Control is a mesh frame for this node that is not Data. The engine may keep it.
	Control struct {
		Link  uint64 // number of the link it came by
		Frame []byte
	}

	// Finished: a Compute is done.
	Finished struct{ Job *session.Job }

	// Disconnect: the user wants no link to a peer.
	Disconnect struct{ ID routing.ID }

	// NetworkChanged: an address of this machine came or went, what goes out takes
	// another way, or the machine has slept.
	NetworkChanged struct {
		URLs bool // others reach this node by other URLs from now on
	}

	// Leave: the node shuts down.
	Leave struct{}
)

// The actions.
type (
	// Dial opens a link to a target and ends with LinkUp or DialFailed.
	Dial struct {
		Target *Target
		Count  uint32 // of dials, for the Hello
		Need   bool   // for the Hello: this node has no link that would do instead
		Direct bool   // for the ask of a link over WebRTC, and for link.Config
		Look   bool   // at another address of a name that has led to a link: ends with LinkUp or Looked
	}

	// SendLink queues a link frame.
	SendLink struct {
		Link  *link.Link
		Frame []byte
	}

	// SendFrame sends a mesh frame of this node by the K-th choice of first hop,
	// as ForwardOwn finds it. What finds none is lost: the engine tries again.
	SendFrame struct {
		Frame []byte
		K     int
	}

	// CloseLink ends a link, after telling the peer why and whom else to try.
	CloseLink struct {
		Link     *link.Link
		Reason   reason.Reason
		Contacts [][]byte // contact records for the Bye, at most limits.ByeContacts
		Now      bool     // without a word: another link has taken its place, and what it holds is to go there
	}

	// PingLink pings now.
	PingLink struct{ Link *link.Link }

	// Reforward gives the frames that a link's peer did not take a new way.
	Reforward struct{ Link *link.Link }

	// Compute runs a job off the loop and ends with Finished.
	Compute struct{ Job *session.Job }

	// Tell reports to the user.
	Tell struct{ Notice Notice }
)

func (Dial) action()      {}
func (CloseLink) action() {}
func (SendLink) action()  {}
func (SendFrame) action() {}
func (PingLink) action()  {}
func (Reforward) action() {}
func (Compute) action()   {}
func (Tell) action()      {}

// NoticeKind says what a Notice is about.
type NoticeKind uint8

// The kinds of notices.
const (
	NoticePeerUp NoticeKind = iota + 1
	NoticePeerDown
	NoticeRetry         // a target did not answer; After until the next try
	NoticeRefused       // a peer refused this node, or the other way round
	NoticeAttached      // Peer said that it is a home of this leaf: others find it there
	NoticeIdentityInUse // another process runs with this identity
	NoticeClockDoubted  // a home, Peer, refuses this leaf's record for the time in it; nobody finds the leaf while they do
	NoticeNoHome        // Peer is linked, and is no home of this leaf: Err, a *HomeError, says why
	NoticeUpgraded      // what goes to and from Peer, of which there is much, takes a direct link from now on
)

// Notice is what the user of a node is told.
type Notice struct {
	Kind   NoticeKind
	Link   *link.Link // nil: none
	URL    secret.URL
	Stage  string // of a dial of URL: where it failed
	Peer   routing.ID
	Reason reason.Reason
	Err    error
	After  time.Duration
}

func (Wake) step(e *Engine, now time.Time) { e.compute(e.cfg.Sessions.Tick(now)) }

func (ev Finished) step(e *Engine, now time.Time) { e.cfg.Sessions.Finish(now, ev.Job) }

func (e *Engine) compute(jobs []*session.Job) {
	for _, j := range jobs {
		e.do(Compute{j})
	}
}

func (ev Control) step(e *Engine, now time.Time) {
	switch wire.FrameType(ev.Frame) {
	case wire.TypeHandshake:
		job, _ := e.cfg.Sessions.HandleHandshake(now, ev.Frame, e.ingress(ev.Link)) // counts its drops
		if job != nil {
			e.do(Compute{job})
		}
	case wire.TypeHint:
		e.hint(now, ev.Frame)
	default:
		e.inquiry(now, ev)
	}
}

// inquiry takes a Nearest, Probe or Answer.
func (e *Engine) inquiry(now time.Time, ev Control) {
	f, err := wire.ParseFrame(ev.Frame)
	if err != nil {
		e.cfg.Drops.Add(reason.Malformed, 1)
		return
	}
	why := reason.None
	switch f.Type {
	case wire.TypeNearest:
		var body wire.NearestBody
		if body, err = wire.ParseNearestBody(f.Body); err != nil {
			break
		}
		if body.Op == wire.OpStore {
			e.storeRequest(now, ev.Link, &body)
		} else {
			e.nearestRequest(now, ev.Frame, &f, &body)
		}
	case wire.TypeProbe:
		var body wire.ProbeBody
		if body, err = wire.ParseProbeBody(f.Body); err == nil {
			e.probed(ev.Link, &f, &body)
		}
	case wire.TypeAnswer:
		var body wire.AnswerBody
		switch body, err = wire.ParseAnswerBody(f.Body); {
		case err != nil:
		case body.Kind == wire.AnswerRecord:
			why = e.found(now, &body)
		case !e.answered(now, ev.Link, &f, &body):
			why = reason.Unsolicited
		}
	default:
		why = reason.Unsupported
	}
	switch {
	case errors.Is(err, wire.ErrType): // a reserved operation or kind, or one of a later version
		why = reason.Unsupported
	case err != nil:
		why = reason.Malformed
	}
	if why != reason.None {
		e.cfg.Drops.Add(why, 1)
	}
}

func (e *Engine) hint(now time.Time, frame []byte) {
	f, err := wire.ParseFrame(frame)
	if err == nil {
		var h wire.Hint
		if h, err = wire.ParseHint(f.Body); err == nil && !e.hintedAsk(now, &h) {
			e.cfg.Sessions.HandleHint(now, h) // counts its drops
		}
	}
	if err != nil {
		e.cfg.Drops.Add(reason.Malformed, 1)
	}
}

func (Leave) step(e *Engine, now time.Time) {
	e.detach(now)
	e.targets.stopped = true
	for _, n := range e.links.list {
		if !n.closing {
			e.do(CloseLink{Link: n.link, Reason: reason.Leaving, Contacts: e.nearestRecords(now, n.Key, limits.ByeContacts, n.ID)})
		}
	}
}
