package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// sender is what one send needs; senders are pooled.
type sender struct {
	in      *engine.Ingress // this node itself
	buf     []byte
	opening session.Opening // what it holds is good for one send
}

func newSender() *sender {
	return &sender{in: engine.NewIngress(nil), buf: make([]byte, 0, limits.Scratch)}
}

// Send delivers data to port 0 of a node and returns nil once its queue has
// taken it. It lasts until ctx ends: it sends again, by other first hops and other
// ways. The error is a [*SendError], or an [ErrTooLarge] or [ErrClosed] when nothing
// was tried.
//
// The node itself can end it sooner: by a refusal, or as it has restarted and may or may
// not have had the message. What others say does not. While all say that they know
// no way to a node that was there in the last 10 minutes, or that there is a session
// with, it is looked for after pauses of up to 5 s, and at once when
// a link of this node comes up or the node is heard of.
//
// Only where the ID was not reached in that time, a Send ends as an [ErrNoRoute] when
// it is nowhere to be found: 16 first messages at least have left, whatever the number
// of links, and all that were answered were answered so. That takes as long as
// their answers, and 2 s at most where the first messages leave in time. The
// [*NoRouteError] in it tells how many first hops said so. Silence ends nothing:
// where nobody answers, ctx decides.
//
// The [Outcome] is [Unknown] where a copy left and the node did not say what became
// of it, and [Undelivered] where none left or the node refused it. What relays say of
// a copy makes no message undelivered: who held it may have sent it on.
func (n *Node) Send(ctx context.Context, to routing.ID, data []byte) error {
	_, err := n.send(ctx, 0, Addr{ID: to}, message{kind: wire.PlainMessage, data: data})
	return err
}

// Request is Send with an answer: it returns what the receiver's handler
// replies. That reply is sent and acknowledged in the same way.
func (n *Node) Request(ctx context.Context, to routing.ID, data []byte) ([]byte, error) {
	res, err := n.send(ctx, 0, Addr{ID: to}, message{kind: wire.PlainRequest, data: data})
	return res.Response, err
}

// SendDatagram sends data to port 0 of a node. It may be lost; nil means that it
// waits to be written, or for a session with the node. It never waits: a full
// queue is an [ErrQueueFull] at once.
func (n *Node) SendDatagram(to routing.ID, data []byte) error {
	return n.datagram(0, &Addr{ID: to}, data, patience{})
}

// message is what send sends.
type message struct {
	kind    uint8
	request uint64 // of a response: the request's id
	data    []byte
}

func (n *Node) checkSend(to routing.ID, size int) error {
	switch {
	case n.ended.Load():
		return ErrClosed
	case size > limits.MaxMessage:
		return &TooLargeError{size, limits.MaxMessage}
	case to == n.id:
		return &SendError{To: to, Outcome: Undelivered, Reason: reason.OwnID.String(), why: reason.OwnID, Err: &refusal{reason.OwnID}}
	}
	return nil
}

func (n *Node) send(ctx context.Context, from uint16, to Addr, m message) (session.Result, error) {
	if err := n.checkSend(to.ID, len(m.data)); err != nil {
		return session.Result{}, err
	}
	if ctx.Err() != nil {
		return session.Result{}, &SendError{To: to.ID, Outcome: Undelivered, Err: contextCause(ctx)}
	}
	deadline, _ := ctx.Deadline()
	done := make(chan session.Result, 1)
	pending, err := n.submit(ctx, session.Message{
		To: wire.ID(to.ID), Kind: m.kind, DstPort: to.Port, SrcPort: from, RequestID: m.request, Data: m.data, Patient: true, Deadline: deadline,
	}, func(r session.Result) { done <- r })
	if err != nil {
		return session.Result{}, n.sendError(to.ID, session.Result{Err: err, Outcome: session.Undelivered})
	}
	var res session.Result
	select {
	case res = <-done:
	case <-ctx.Done():
		pending.Cancel(time.Now(), contextCause(ctx))
		res = <-done
	}
	return res, n.sendError(to.ID, res)
}

// sendError tells the end of a message in this package's words.
func (n *Node) sendError(to routing.ID, r session.Result) error {
	if r.Err == nil {
		return nil
	}
	e := &SendError{To: to, Outcome: Unknown, Sent: r.Sent, Err: r.Err}
	switch r.Outcome {
	case session.Undelivered:
		e.Outcome = Undelivered
	case session.Delivered: // and not answered
		e.Outcome = Delivered
	case session.Unknown:
	}
	var why reason.Reason
	switch {
	case errors.As(r.Err, &why):
		e.why, e.Err = why, noRouteOf(why, &r)
	case e.Outcome == Delivered: // what was heard on the way of the request is no cause
		e.Reason = noAnswer
	case r.Last != reason.None:
		e.why, e.Err = r.Last, fmt.Errorf("%w: %w", r.Err, noRouteOf(r.Last, &r))
	case !n.state.load().linked: // why the time ran out
		e.why, e.Err = reason.NoLink, fmt.Errorf("%w: %w", r.Err, ErrNotConnected)
	}
	if e.why != reason.None {
		e.Reason = e.why.String()
	}
	return e
}

// noRouteOf is causeOf, with the figures of an ErrNoRoute.
func noRouteOf(why reason.Reason, r *session.Result) error {
	err := causeOf(why)
	if err == ErrNoRoute && r.Told > 0 {
		return &NoRouteError{Said: r.Told, Tried: r.Tried}
	}
	return err
}

// patience is how long a datagram may wait for room in the first link's queue.
type patience struct {
	wait   time.Duration
	cancel <-chan struct{} // ends the wait with ErrTimeout; may be nil
}

// datagram sends one datagram.
func (n *Node) datagram(from uint16, to *Addr, data []byte, w patience) error {
	if n.ended.Load() {
		return ErrClosed
	}
	s := n.senders.Get().(*sender)
	err := n.sendDatagram(s, from, to, data, w)
	n.senders.Put(s)
	return err
}

func (n *Node) sendDatagram(s *sender, from uint16, to *Addr, data []byte, w patience) error {
	if len(data) <= limits.SmallDatagram {
		return n.sendSmall(s, from, to, data, w)
	}
	now := n.clock.load()
	frame, ok := n.sessions.AppendDatagram(s.buf[:0], now, wire.ID(to.ID), to.Port, from, wire.ClassBulk, data)
	if !ok {
		return n.firstDatagram(from, to, data)
	}
	if cap(frame) > cap(s.buf) && cap(frame) <= limits.MaxRecord+limits.Scratch {
		s.buf = frame
	}
	l, frame, why := n.firstHop(s, frame, n.sessions.Via(now, (*wire.ID)(&to.ID)), now)
	if l == nil {
		return n.noHop(to, why)
	}
	return n.push(l, &parcel{frame: frame}, w)
}

// sendSmall sends a datagram that its link may put into one frame with others.
func (n *Node) sendSmall(s *sender, from uint16, to *Addr, data []byte, w patience) error {
	now, o := n.clock.load(), &s.opening
	if !n.sessions.Open(o, s.buf[:0], now, (*wire.ID)(&to.ID), to.Port, from) {
		return n.firstDatagram(from, to, data)
	}
	l, head, why := n.firstHop(s, o.Head, o.Via, now)
	if l == nil {
		return n.noHop(to, why)
	}
	o.Head = head
	err := n.push(l, &parcel{opening: o, data: data}, w)
	if err == errSpent {
		return n.firstDatagram(from, to, data)
	}
	return err
}

// firstHop finds the link by which a frame of this node leaves, or the beginning
// of one, and what is to be sent there: the link of via, if that is not zero and in
// use. The link is nil when there is none.
func (n *Node) firstHop(s *sender, frame []byte, via wire.ID, now time.Time) (*link.Link, []byte, reason.Reason) {
	snapshot := n.engine.Snapshot()
	if via == (wire.ID{}) {
		if hop, sent := snapshot.ExpressOwn(s.in, frame); hop != nil {
			return hop.Link, sent, reason.None
		}
	}
	v := snapshot.ForwardBy(s.in, frame, session.Choice{Via: via}, now)
	if v.Action != engine.ActionSend {
		return nil, nil, v.Reason
	}
	return v.Peer.Link, v.Frame, reason.None
}

// noHop counts a datagram that no link takes.
func (n *Node) noHop(to *Addr, why reason.Reason) error {
	n.drops.Add(why, 1)
	return n.sendError(to.ID, session.Result{Err: why, Outcome: session.Undelivered})
}

// firstDatagram sends what found no session to seal it: there is none, or the
// datagram is one that can never be sent.
func (n *Node) firstDatagram(from uint16, to *Addr, data []byte) error {
	if err := n.checkSend(to.ID, len(data)); err != nil {
		return err
	}
	err := n.sessions.Datagram(time.Now(), wire.ID(to.ID), to.Port, from, wire.ClassBulk, data)
	if err != nil {
		return n.sendError(to.ID, session.Result{Err: err, Outcome: session.Undelivered})
	}
	return nil
}

// parcel is what is queued on a link: a whole frame of class 3, or a datagram and
// how its frame begins.
type parcel struct {
	frame   []byte
	opening *session.Opening
	data    []byte
}

func (p *parcel) appendTo(l *link.Link) link.Admission {
	if p.opening != nil {
		return l.AppendDatagram(p.opening, p.data)
	}
	return l.AppendOwn(wire.ClassBulk, p.frame)
}

// size is the most bytes that it takes in the queue.
func (p *parcel) size() int {
	if p.opening != nil {
		return wire.BatchHeader + p.opening.Len(len(p.data))
	}
	return wire.BatchHeader + len(p.frame)
}

// errSpent: the session has sealed as much as it may.
var errSpent = errors.New("session spent")

// push queues a parcel on a link, and waits for room if it may.
func (n *Node) push(l *link.Link, p *parcel, w patience) error {
	a := p.appendTo(l)
	if !lacksRoom(a) {
		return n.pushed(a)
	}
	if w.wait > 0 {
		return n.pushWithin(l, p, w)
	}
	return n.noRoom(a)
}

// lacksRoom says that a parcel may be queued later.
func lacksRoom(a link.Admission) bool {
	return a == link.Full || a == link.Stalled || a == link.Crowded
}

// noRoom counts a parcel that waited in vain, or not at all.
func (n *Node) noRoom(a link.Admission) error {
	why := reason.QueueFull
	if a == link.Crowded {
		why = reason.MemoryLimit
	}
	n.drops.Add(why, 1)
	return ErrQueueFull
}

// pushed is what a parcel that need not wait has come to.
func (n *Node) pushed(a link.Admission) error {
	switch a {
	case link.Ended:
		n.drops.Add(reason.LinkLost, 1)
		return ErrNotConnected
	case link.Spent:
		return errSpent
	}
	return nil
}

// pushWithin waits for room, and at the end of that time tries once more: those
// who wait are woken only when half of the queue is free.
func (n *Node) pushWithin(l *link.Link, p *parcel, w patience) error {
	timer := time.NewTimer(w.wait)
	defer timer.Stop()
	var a link.Admission
	for woken := true; woken; {
		woken = l.WaitOr(link.Self, p.size(), timer.C, w.cancel)
		select {
		case <-w.cancel:
			l.Decline(link.Self)
			return ErrTimeout
		default:
		}
		if n.ended.Load() {
			return ErrClosed
		}
		a = p.appendTo(l)
		if a == link.Spent || a == link.Crowded {
			l.Decline(link.Self)
		}
		if !lacksRoom(a) {
			return n.pushed(a)
		}
		if a == link.Crowded {
			break // nobody tells when there is room
		}
	}
	return n.noRoom(a)
}

// emit is how sessions send: by the first hop of their choice, without waiting. The
// link to a first hop that is told with false will have room, see [Node.runRooms]. It may run with a
// session's lock held.
func (n *Node) emit(frame []byte, c session.Choice) (wire.ID, bool) {
	s := n.senders.Get().(*sender)
	defer n.senders.Put(s)
	v := n.engine.Snapshot().ForwardBy(s.in, frame, c, n.clock.load())
	if v.Action != engine.ActionSend {
		return wire.ID{}, false
	}
	class := wire.FrameFlags(v.Frame).Class()
	a := v.Peer.Link.AppendOwn(class, v.Frame)
	if a != link.Queued && a != link.Full && a != link.Stalled {
		return wire.ID{}, false
	}
	return wire.ID(v.Peer.ID), a == link.Queued
}

// holds says what this node's own links have done with a frame of its sessions.
func (n *Node) holds(hop *wire.ID, copy uint64, mark *uint64) session.Holding {
	return n.engine.Snapshot().Holds(time.Now(), hop, copy, mark)
}

// hint tells the source of a frame why it got no further. The source may be this
// very node: its frame came back on a detour.
func (n *Node) hint(frame []byte, why reason.Reason) {
	h := engine.AppendHint(nil, wire.ID(n.id), frame, why)
	switch {
	case h == nil:
	case *wire.FrameDst(h) == wire.ID(n.id):
		n.postControl(engine.Control{Frame: h})
	default:
		n.emit(h, session.Choice{})
	}
}
