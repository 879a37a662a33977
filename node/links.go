package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
)

// stageHandshake is where a dial is once the carrier stands.
const stageHandshake = "handshake"

// dial opens a link to a target and runs it.
func (n *Node) dial(d engine.Dial) {
	t := d.Target
	if id, ok := engine.ParseWebRTCURL(t.URL.Reveal()); ok {
		n.dialByAsking(d, id)
		return
	}
	n.log.Debug("dialling", "url", t.URL, "tries", d.Count)
	ctx := n.network.now()
	conn, err := n.dialTarget(ctx, t, d.Look)
	if err != nil {
		stage := transport.StageConnect
		if d := (*transport.DialError)(nil); errors.As(err, &d) {
			stage, err = d.Stage, d.Err
			if d.Cause != "" {
				err = &caused{err, d.Cause}
			}
		}
		n.dialFailed(ctx, d, nil, stage, err)
		return
	}
	now := time.Now()
	remote, err := n.handshake(ctx, conn, func() (*link.Remote, error) {
		local := n.local(now)
		local.Hello.Need, local.Wants = d.Need, n.wants(d.Look)
		return link.Dial(conn, local, wire.ID(t.Pin), d.Count, now)
	})
	if err != nil {
		n.lookForOwnKey(conn, err)
		n.dialFailed(ctx, d, conn, stageHandshake, byClock(conn, err))
		return
	}
	n.counters.dialsLinked.Add(1)
	n.dialled(d, conn)
	n.spawnLink(conn, remote, source{target: t, outbound: true, dial: d.Count, direct: d.Direct})
}

// dialFailed tells the engine that a dial came to nothing. The carrier is nil if
// there was none. A dial whose context has ended was one of a network that has changed.
func (n *Node) dialFailed(ctx context.Context, d engine.Dial, conn transport.Conn, stage string, err error) {
	if n.ctx.Err() != nil {
		return
	}
	if ctx.Err() != nil && !d.Look {
		n.log.Debug("dial ended, as the network changed", "url", d.Target.URL)
		n.post(engine.DialFailed{Target: d.Target, Again: true})
		return
	}
	failed := engine.DialFailed{Target: d.Target, Stage: stage, Reason: refusalOf(err), Err: err}
	if d.Target.Name && n.failedByName(d, conn, &failed) {
		n.post(engine.Looked{Target: d.Target})
		return
	}
	n.counters.dialsFailed.Add(1)
	n.log.Debug("dial failed", "url", d.Target.URL, "stage", stage, "err", err)
	n.post(failed)
}

// refusalOf is the reason of a handshake that the other side, or a check of
// what it said, ended, or of its answer to a question for a link; None when it was
// the carrier that broke.
func refusalOf(err error) reason.Reason {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.r
	}
	if v := (*transport.VersionError)(nil); errors.As(err, &v) {
		return reason.BadVersion
	}
	var h *link.HandshakeError
	if !errors.As(err, &h) || h.Reason == reason.CarrierFailed {
		return reason.None
	}
	return h.Reason
}

// handshake runs f, which blocks on conn, for a bounded time and not beyond ctx. On
// error conn is closed.
func (n *Node) handshake(ctx context.Context, conn transport.Conn, f func() (*link.Remote, error)) (*link.Remote, error) {
	end := func() { conn.Close() }
	late := time.AfterFunc(limits.HandshakeTimeout, guard.Func("the end of a handshake", end, n.note))
	stop := context.AfterFunc(ctx, guard.Func("the end of a handshake", end, n.note))
	defer stop()
	remote, err := f()
	if !late.Stop() && err != nil {
		err = &link.HandshakeError{Reason: reason.AuthTimeout, Err: fmt.Errorf("no handshake within %v", limits.HandshakeTimeout)}
	}
	if err != nil {
		conn.Close()
	}
	return remote, err
}

// Accept makes a carrier that somebody else accepted a link of this node. It
// returns at once; the carrier is the node's from then on.
func (n *Node) Accept(conn transport.Conn) {
	if n.leaving.Load() {
		n.drops.Add(reason.LinkLimit, 1)
		conn.Close()
		return
	}
	place, old := n.gate.enter(conn)
	if old != nil {
		old.Close() // who opened it finds out, and its accept counts it
	}
	if !n.spawn(func() { n.accept(conn, place) }) {
		n.gate.leave(place)
		conn.Close()
	}
}

// spawn runs f on a goroutine that Close waits for; false: the node has ended.
func (n *Node) spawn(f func()) bool {
	n.spawning.RLock()
	defer n.spawning.RUnlock()
	if n.ctx.Err() != nil {
		return false
	}
	n.task("a task", f)
	return true
}

func (n *Node) accept(conn transport.Conn, place *waiting) {
	now := time.Now()
	remote, err := n.handshake(n.ctx, conn, func() (*link.Remote, error) {
		local := n.local(now)
		ctx, cancel := context.WithTimeout(n.ctx, limits.HandshakeTimeout)
		defer cancel()
		local.Turn = func() bool {
			return n.turns.take(place.host, place.group, ctx.Done(), place.lost) // loopback is a group as any other
		}
		return link.Accept(conn, local, now)
	})
	if !n.gate.leave(place) {
		err = errors.Join(&link.HandshakeError{Reason: reason.LinkLimit, Err: errMadeRoom}, err)
	}
	if err != nil {
		conn.Close()
		n.acceptFailed(conn, err)
		return
	}
	n.spawnLink(conn, remote, source{dial: remote.Hello.Dial})
}

func (n *Node) acceptFailed(conn transport.Conn, err error) {
	var h *link.HandshakeError
	if !errors.As(err, &h) || n.ctx.Err() != nil {
		return
	}
	n.lookForOwnKey(conn, err)
	if errors.Is(h, link.ErrDeclined) {
		n.log.Debug("a dialler did not want this node", "from", conn.RemoteAddr(), "err", err)
		return // no trouble of this node's, and nothing is lost
	}
	n.tellRefused(conn.RemoteAddr(), conn.Kind(), h.Reason, err)
}

// refuseVersion is for a client that speaks another version of the protocol.
func (n *Node) refuseVersion(from net.Addr, err *transport.VersionError) {
	n.tellRefused(from, "ws", reason.BadVersion, err)
}

// spawnLink runs a link on a goroutine of its own: the one of the handshake has
// grown a stack for its cryptography, and for finding out where the peer is, that
// an idle link need not keep.
func (n *Node) spawnLink(conn transport.Conn, remote *link.Remote, from source) {
	if conn.Kind() != rtcKind && transport.LocalAddr(conn) != nil {
		n.watchNetwork(nil) // from the first link on that stands on an address
	}
	at := origin(conn, remote, from)
	if !n.spawn(func() { n.runLink(conn, remote, from, at) }) {
		conn.Close()
	}
}

// source is how a link came about.
type source struct {
	target   *engine.Target // nil: accepted, or the user's wish
	outbound bool           // this node dialled, or made the offer
	dial     uint32         // the dialler's count
	direct   bool           // for two nodes that talk much, or told to link
	wanted   bool           // by this node's user
}

// runLink runs a link that has proved itself, until it ends. What it needs before
// and after is in functions of its own: an idle link keeps its goroutine's stack.
func (n *Node) runLink(conn transport.Conn, remote *link.Remote, from source, at *engine.Origin) {
	w, admitted := n.beginLink(conn, remote, from, at)
	if w == nil {
		return
	}
	defer n.endLink(w) // after a panic, too, of which the task's guard tells
	if admitted {
		w.link.Run(n.reader(w))
		w.passOn()
	} else {
		w.link.Dismiss()
	}
}

// beginLink asks the loop to admit a link. Nil: there is none to run.
func (n *Node) beginLink(conn transport.Conn, remote *link.Remote, from source, at *engine.Origin) (w *walker, admitted bool) {
	w = n.newLink(conn, remote, from)
	if !n.memory.enter(conn.Kind()) {
		n.drops.Add(reason.MemoryLimit, 1)
		n.closeLink(w.link, reason.LinkLimit, nil)
		w.link.Dismiss()
		return nil, false
	}
	if !n.live.add(w, conn) {
		conn.Close()
		n.memory.leave(conn.Kind())
		return nil, false
	}
	if admitted = n.admit(w, from.target, at); admitted {
		n.logAdmitted(conn, w.link, remote)
	}
	return w, admitted
}

// endLink forgets a link that has ended.
func (n *Node) endLink(w *walker) {
	w.link.Close(reason.ProtocolError) // it has ended, unless its reader panicked
	n.logEnded(w.link)
	n.live.remove(w)
	conn, _ := w.link.Carrier.(transport.Conn)
	n.post(engine.LinkDown{Link: w.link, Cause: w.link.Cause(), Err: byClock(conn, w.link.Cause())})
	n.memory.leave(w.link.Carrier.Kind())
}

func (n *Node) logAdmitted(conn transport.Conn, l *link.Link, remote *link.Remote) {
	if n.log.Enabled(n.ctx, slog.LevelDebug) {
		n.log.Debug("link admitted", "peer", routing.ID(l.Peer), "link", l.Number, "transport", conn.Kind(), "address", conn.RemoteAddr(),
			"outbound", l.Outbound, "leaf", l.Leaf, "direct", l.Direct, "agent", l.Agent, "rtt", remote.RTT)
	}
}

func (n *Node) logEnded(l *link.Link) {
	if n.log.Enabled(n.ctx, slog.LevelDebug) {
		s := l.Stats()
		n.log.Debug("link ended", "peer", routing.ID(l.Peer), "link", l.Number, "cause", l.Cause(),
			"rxFrames", s.RxFrames, "txFrames", s.TxFrames, "rxBytes", s.RxBytes, "txBytes", s.TxBytes)
	}
}

// reader is what takes the batches of w's link: w itself, unless a test of this
// package wants to have a hand in it.
func (n *Node) reader(w *walker) link.Handler {
	if n.between != nil {
		return n.between(w)
	}
	return w
}

// origin says where a link comes from.
func origin(conn transport.Conn, remote *link.Remote, from source) *engine.Origin {
	o := &engine.Origin{Scope: scopeOf(conn), Need: remote.Hello.Need, RTT: remote.RTT, Direct: from.direct, Wanted: from.wanted}
	o.Host, o.Group = groupsOf(conn)
	return o
}

// admit tells the loop of a link and waits for its word.
func (n *Node) admit(w *walker, t *engine.Target, from *engine.Origin) bool {
	up := linkUp{engine.LinkUp{Peer: w.in.Peer(), Target: t, From: *from}, make(chan bool, 1)}
	if !n.post(up) {
		return false
	}
	select {
	case ok := <-up.admitted:
		return ok
	case <-n.ctx.Done():
		return false
	}
}

// lineOf is how a link asks a carrier for its line; nil: the carrier cannot tell.
func lineOf(conn transport.Conn) func() (link.Line, bool) {
	c, ok := conn.(transport.Liner)
	if !ok {
		return nil
	}
	return func() (link.Line, bool) {
		l, ok := c.Line()
		return link.Line(l), ok
	}
}

func (n *Node) newLink(conn transport.Conn, remote *link.Remote, from source) *walker {
	leaf := remote.Contact.Role == wire.RoleLeaf
	cfg := link.Config{
		Number: n.number.Add(1), Peer: remote.ID, Leaf: leaf, LeafLink: leaf || n.cfg.Leaf,
		Outbound: from.outbound, Instance: remote.Hello.Instance, Dial: from.dial, Agent: remote.Hello.Agent,
		Contact: bytes.Clone(remote.Hello.Contact), // the rest of the Hello is not kept
		Carrier: conn, Send: remote.Send, Recv: remote.Recv, Direct: from.direct,
		Line:    lineOf(conn),
		OnPanic: n.note, Drops: &n.drops,
		OnRoom: func() { n.rooms.tell(remote.ID) },
		Budget: n.memory.waiting,
	}
	var w *walker
	cfg.OnBusy = func() {
		if !w.busy.Swap(true) {
			poke(n.busy)
		}
	}
	w = newWalker(n)
	l := link.New(cfg, time.Now())
	w.bind(l, engine.NewPeer(l))
	return w
}

// closeLink ends a link politely: the peer is told why, and what was queued
// before is written. Beyond limits.EndingLinks that wait for their peers to take
// it, links end at once: peers that read nothing and come again would keep any
// number. Those that this node ends because it leaves are no more than there are.
func (n *Node) closeLink(l *link.Link, why reason.Reason, contacts [][]byte) {
	if n.ending.Add(1) > limits.EndingLinks && !n.leaving.Load() {
		n.ending.Add(-1)
		l.Close(why)
		return
	}
	l.Finish(wire.AppendBye(nil, &wire.Bye{Reason: uint8(why), Contacts: contacts}), why)
	late := time.AfterFunc(limits.ByeFlush, guard.Func("the end of a link", func() { l.Close(why) }, n.note))
	n.spawn(func() {
		<-l.Done()
		late.Stop() // a timer would keep the ended link
		n.ending.Add(-1)
	})
}

// dialers open carriers by URL scheme.
type dialers map[string]transport.Dialer

func (d dialers) dial(ctx context.Context, raw secret.URL) (transport.Conn, error) {
	u, err := raw.Parse()
	if err != nil {
		return nil, &transport.DialError{URL: raw, Stage: transport.StageParse, Err: err}
	}
	if d[u.Scheme] == nil {
		return nil, &transport.DialError{URL: raw, Stage: transport.StageParse, Err: fmt.Errorf("unknown scheme %q", u.Scheme)}
	}
	return d[u.Scheme].Dial(ctx, u)
}

// dialable says whether a URL leads from here to a peer: there is a carrier for
// it, or it stands for asking a node for a link over WebRTC.
func (n *Node) dialable(raw string, scopes engine.Scopes) bool {
	if _, ok := engine.ParseWebRTCURL(raw); ok {
		return n.rtc.endpoint != nil
	}
	return n.dialers.dialable(raw, scopes)
}

// dialable says whether there is a carrier for a URL, and whether it may lead to
// these scopes; where a name leads is known once it is dialled.
func (d dialers) dialable(raw string, scopes engine.Scopes) bool {
	u, err := url.Parse(raw)
	if err != nil || d[u.Scheme] == nil || u.Host == "" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err != nil || scopes == engine.AllScopes || engine.ScopeOf(addr)&scopes != 0
}

// Disconnect ends the links with a peer and keeps it away for ten minutes, or
// until a Join by its URL.
func (n *Node) Disconnect(id routing.ID) error {
	if !n.post(engine.Disconnect{ID: id}) {
		return ErrClosed
	}
	return nil
}
