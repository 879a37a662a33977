package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/httpbound"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport/ws"
)

// Node is a running node. Its methods may be called from any goroutine.
type Node struct {
	// set at New
	cfg      Config
	id       routing.ID
	creds    credentials
	instance wire.Instance
	started  time.Time
	log      *slog.Logger
	engine   *engine.Engine // Step and the like: by the loop only
	sessions *session.Table
	dialers  dialers
	handler  *ws.Handler
	listener net.Listener // nil: no port
	server   *httpbound.Server

	ctx     context.Context // ends with the node
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	closed  chan struct{} // closed when Close has finished
	once    sync.Once
	leaving atomic.Bool // Shutdown began: no new links
	ended   atomic.Bool // the same as ctx's end, cheaper to look at
	clock   coarseClock

	spawning sync.RWMutex // held to start a goroutine, and to end the node

	loop          chan engine.Event
	armed         chan struct{} // capacity 1: the next deadline may have moved
	rooms         rooms
	busy          chan struct{} // capacity 1: a link owes something
	workers       chan struct{} // one token per Diffie-Hellman under way
	turn          chan struct{} // one token: whose message looks for a place among the sessions
	pongs         chan struct{} // one token per answer to a ping under way
	gate          gate
	turns         turns
	panics        atomic.Uint64
	failure       atomic.Pointer[guard.Panic] // why the node ended by itself
	names         names
	live          liveLinks
	ports         ports
	memory        memory
	events        broadcaster
	state         stateBoard
	senders       sync.Pool // *sender
	retry         *walker   // owned by the loop: gives frames of failed links a new way
	drops         reason.Counters
	contactRecord contactRecord
	tlsCreds      tlsCredentials
	counters      counters
	number        atomic.Uint64               // of the last link
	reported      [reason.Count]dropsTold     // owned by the ticker
	refusedAs     [reason.Count]atomic.Uint64 // drops that are refusals with an event of their own
	droppedAt     [reason.Count]atomic.Int64  // when the last of them were told, in Unix nanoseconds; 0: never
	ticked        []liveLink                  // the ticker's memory
	repeats       repetitions
	edge          edge
	network       network
	files         *files
	warnings      warnings
	ice           iceServers
	known         *knownPeers // nil: no state directory
	stateDir      stateDir
	stateLock     io.Closer    // with stateDir.mu held, once the node runs; nil: no state directory, or no locks
	identityUsed  atomic.Int64 // when it was last proven that another process has this node's key, in Unix nanoseconds; 0: never
	linkAsks      linkAsks
	rtc           rtc
	ending        atomic.Int32               // links whose peers are given time to take a Bye
	between       func(*walker) link.Handler // set by tests alone, before the first link; else nil
}

// New starts a node. All mistakes of the config are told at once, joined.
func New(cfg Config) (*Node, error) {
	cfg, plan, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger.WithGroup("node"), started: time.Now(),
		closed:  make(chan struct{}),
		loop:    make(chan engine.Event, limits.LoopQueue),
		armed:   make(chan struct{}, 1),
		rooms:   rooms{signal: make(chan struct{}, 1)},
		busy:    make(chan struct{}, 1),
		workers: make(chan struct{}, limits.HandshakeWorkers),
		pongs:   make(chan struct{}, limits.PingReplies),
		turn:    make(chan struct{}, 1),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.senders.New = func() any { return newSender() }
	n.clock.set(n.started)
	n.counters.forwardTimes.first, n.counters.signalTimes.first = forwardFirst, signalFirst
	n.edge.init()
	n.network.init(n.ctx)
	n.ice.again = make(chan struct{}, 1)
	n.memory.init(&n.cfg)
	n.turns.broke = n.fail
	n.live.init()
	n.ports.init()
	n.state.init()
	if err := n.setUp(plan); err != nil {
		n.unlockState()
		n.cancel()
		return nil, err
	}
	n.start(plan)
	return n, nil
}

// setUp makes the parts; it starts no goroutine and holds nothing but the lock of
// the state on failure.
func (n *Node) setUp(plan *plan) (err error) {
	if err := n.creds.init(n.cfg, n.started); err != nil {
		return err
	}
	if err := n.lockState(); err != nil {
		return err
	}
	n.id = routing.ID(n.creds.identity.ID())
	if _, err := rand.Read(n.instance[:]); err != nil {
		return err
	}
	n.beginStateDir()
	n.loadKnownPeers()
	n.dialers, n.files = plan.dialers, plan.files
	n.sessions, err = session.New(session.Config{
		Self:        wire.ID(n.id),
		Instance:    n.instance,
		Credentials: n.creds.at,
		NetworkKey:  n.networkKey(),
		Rand:        rand.Reader,
		Emit:        n.emit,
		Holds:       n.holds,
		Deliver:     n.deliver,
		Doubt:       func(hop wire.ID) { n.postControl(engine.Doubted{Peer: routing.ID(hop)}) },
		Lost:        func(hop wire.ID) { n.postControl(engine.Lost{Peer: routing.ID(hop)}) },
		Aim:         func(to wire.ID) [8]byte { return n.engine.Aim(to) },
		Homes:       func() []wire.ID { return n.engine.Homes() },
		Rank:        func(homes []wire.ID) { n.engine.Snapshot().RankHomes(homes) },
		Behind:      func(link uint64) wire.ID { return wire.ID(n.engine.Behind(link)) },
		Arm:         func(time.Time) { poke(n.armed) },
		Drops:       &n.drops,
		Budget:      n.memory.waiting,
	})
	if err != nil {
		return err
	}
	n.engine, err = engine.New(engine.Config{
		Self: n.id, Leaf: n.cfg.Leaf, MaxRelays: n.cfg.MaxPeers, MaxLeaves: n.cfg.MaxLeaves,
		Rand: mathrand.New(mathrand.NewChaCha8(seed())), Sessions: n.sessions, Drops: &n.drops,
		Homes: n.cfg.Homes, Sign: n.creds.sign, Verify: identity.VerifyRecord, Contact: n.contact, Signed: n.creds.maySign,
		Dialable: n.dialable, WebRTC: engineUse[n.cfg.WebRTC], MaxWebRTC: n.cfg.MaxWebRTC,
	})
	if err != nil {
		return err
	}
	n.retry = newWalker(n)
	n.retry.in = engine.NewIngress(nil)
	if err := n.setUpWebRTC(); err != nil {
		return err
	}
	if err := n.setUpListener(); err != nil {
		n.rtc.close()
		return err
	}
	return nil
}

func seed() (s [32]byte) {
	_, _ = rand.Read(s[:]) // never fails, see crypto/rand
	return s
}

// start runs the goroutines.
func (n *Node) start(plan *plan) {
	n.vital("the control loop", n.runLoop)
	n.vital("the ticker", n.runTicker)
	n.vital("the rooms", n.runRooms)
	n.openPingPort()
	n.openConnectPort()
	n.startKnownPeers()
	if n.listener != nil {
		n.vital("the server", n.serve)
		n.watchNetwork(nil)
	}
	if len(plan.targets) > 0 {
		n.post(engine.Join{Targets: plan.targets})
	}
	n.lookAtCertificate(n.started)
	if len(n.files.sets) > 0 {
		n.task("the files", n.keepFiles)
	}
	if n.rtc.endpoint != nil && len(n.cfg.ICEServers) > 0 {
		n.task("the ICE servers", n.keepICEServers)
	}
	n.log.Info("started", "id", n.id, "urls", n.URLs(), "leaf", n.cfg.Leaf)
}

// ID returns the node's ID.
func (n *Node) ID() routing.ID { return n.id }

// Done is closed when the node has ended; Err then says whether it ended by itself.
func (n *Node) Done() <-chan struct{} { return n.closed }

// Shutdown ends the node politely: the port is closed, what is queued is written and
// each peer is told that the node leaves, and of other nodes to turn to. When ctx ends first, the rest is cut off. It
// returns when nothing of the node runs any more.
func (n *Node) Shutdown(ctx context.Context) error {
	n.stopListening()
	n.Drain()
	err := n.live.wait(ctx)
	return errors.Join(err, n.Close())
}

// Close ends the node at once and returns when nothing of it runs any more.
// Everything that waits on the node ends with [ErrClosed].
func (n *Node) Close() error {
	n.once.Do(func() {
		n.stopListening()
		n.saveKnownPeers(true)
		n.spawning.Lock()
		n.ended.Store(true)
		n.cancel()
		n.spawning.Unlock()
		n.live.closeAll(reason.Closed)
		n.rtc.close()
		n.closeSessions()
		n.ports.closeAll()
		n.events.close()
		n.wg.Wait()
		n.unlockState()
		n.log.Info("closed")
		close(n.closed)
	})
	<-n.closed
	return nil
}

// post gives the loop something to do; false: the node has ended.
func (n *Node) post(ev engine.Event) bool {
	select {
	case n.loop <- ev:
		return true
	case <-n.ctx.Done():
		return false
	}
}

// postControl is post for what a peer drives: it never waits.
func (n *Node) postControl(ev engine.Event) bool {
	if len(n.loop) >= limits.LoopQueue/2 { // the rest is for what must not be lost
		return false
	}
	select {
	case n.loop <- ev:
		return true
	default:
		return false
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func nonce() (b [8]byte) {
	binary.BigEndian.PutUint64(b[:], mathrand.Uint64())
	return b
}
