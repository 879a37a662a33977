package node

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// broadcaster gives each reader of Events its own bounded queue.
type broadcaster struct {
	mu      sync.Mutex
	readers map[*eventQueue]struct{}
	early   []Event // what came before the first reader, see limits.EventsEarly
	read    bool    // there was one
	closed  bool
}

// eventQueue keeps the newest events; what did not fit is told as one Dropped event.
type eventQueue struct {
	events []Event
	lost   uint64
	ready  chan struct{} // capacity 1
}

// Events yields what happens to the node from now on, until ctx or the node
// ends; its first call also what happened since the start, of that the newest
// few dozen, as a link may be up before New has returned. A reader that falls more than limits.EventQueue events behind loses the
// oldest; a Dropped event with the reason "queue-full" then says how many.
// Break out of the loop to stop.
func (n *Node) Events(ctx context.Context) iter.Seq[Event] {
	q := &eventQueue{ready: make(chan struct{}, 1)}
	n.events.add(q)
	return func(yield func(Event) bool) {
		defer n.events.remove(q)
		for {
			for {
				ev, ok := n.events.take(q)
				if !ok {
					break
				}
				if !yield(ev) {
					return
				}
			}
			select {
			case <-q.ready:
			case <-ctx.Done():
				return
			case <-n.ctx.Done():
				return
			}
		}
	}
}

func (b *broadcaster) add(q *eventQueue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.readers == nil {
		b.readers = make(map[*eventQueue]struct{})
	}
	if !b.read && len(b.early) > 0 {
		q.events = b.early
		poke(q.ready)
	}
	b.read, b.early = true, nil
	b.readers[q] = struct{}{}
}

func (b *broadcaster) remove(q *eventQueue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.readers, q)
}

func (b *broadcaster) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.readers = true, nil
}

func (b *broadcaster) send(ev Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.read {
		if len(b.early) >= limits.EventsEarly {
			b.early = b.early[1:]
		}
		b.early = append(b.early, ev)
	}
	for q := range b.readers {
		if len(q.events) >= limits.EventQueue {
			q.events = q.events[1:]
			q.lost++
		}
		q.events = append(q.events, ev)
		poke(q.ready)
	}
}

func (b *broadcaster) take(q *eventQueue) (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q.lost > 0 {
		ev := Event{Kind: Dropped, Time: time.Now(), Reason: reason.QueueFull.String(), Count: q.lost}
		q.lost = 0
		return ev, true
	}
	if len(q.events) == 0 {
		return Event{}, false
	}
	ev := q.events[0]
	q.events = q.events[1:]
	return ev, true
}

var noticeKinds = map[engine.NoticeKind]EventKind{
	engine.NoticePeerUp:        PeerUp,
	engine.NoticePeerDown:      PeerDown,
	engine.NoticeRetry:         Retry,
	engine.NoticeRefused:       Refused,
	engine.NoticeAttached:      Attached,
	engine.NoticeIdentityInUse: IdentityInUse,
	engine.NoticeNoHome:        NoHome,
	engine.NoticeClockDoubted:  ClockDoubted,
	engine.NoticeUpgraded:      Upgraded,
}

// tell makes a decision of the engine an event and a line in the log.
func (n *Node) tell(t engine.Notice) {
	ev := Event{Kind: noticeKinds[t.Kind], Time: time.Now(), Peer: t.Peer, URL: t.URL, After: t.After}
	if t.Reason != reason.None {
		ev.Reason = t.Reason.String()
	}
	if t.Err != nil {
		ev.Err = inWords("", t.Err).Error()
	} else if t.Kind == engine.NoticeRefused && t.Link != nil && t.Link.Outbound {
		ev.Err = linkWords[t.Reason]
	}
	if t.Link != nil {
		ev.Transport, ev.Outbound, ev.Leaf = t.Link.Carrier.Kind(), t.Link.Outbound, t.Link.Leaf
	}
	if ev.Kind == IdentityInUse {
		n.identityUsed.Store(ev.Time.UnixNano())
	}
	if isDrop(&t) {
		n.refusedAs[t.Reason].Add(1)
	}
	if n.repeats.news(&t, ev) {
		n.announce(ev)
	}
}

func (n *Node) logEvent(ev Event) {
	args := make([]any, 0, 20)
	add := func(key string, value any, given bool) {
		if given {
			args = append(args, key, value)
		}
	}
	add("peer", ev.Peer, !ev.Peer.IsZero())
	add("transport", ev.Transport, ev.Transport != "")
	add("outbound", ev.Outbound, ev.Transport != "")
	add("url", ev.URL, ev.URL != "")
	add("reason", ev.Reason, ev.Reason != "")
	add("part", ev.Part, ev.Part != "")
	add("change", ev.Change, ev.Change != "")
	add("count", ev.Count, ev.Count > 0)
	add("sources", ev.Sources, ev.Sources > 1)
	add("err", ev.Err, ev.Err != "")
	add("hint", ev.Hint, ev.Hint != "")
	add("after", ev.After, ev.After > 0)
	if ev.Kind == ClockDoubted {
		args = append(args, "hint", "the mesh says that this machine's clock is wrong; until it is set nobody finds this node")
	}
	n.log.Log(n.ctx, ev.Kind.Level(), string(ev.Kind), args...)
}

// reportDrops tells what was dropped: for each reason at once, then in pauses that
// double. It belongs to the ticker.
func (n *Node) reportDrops(now time.Time) {
	for r := range n.reported {
		d, total := &n.reported[r], n.drops.Get(reason.Reason(r))
		if total != d.seen {
			d.seen = total
			n.droppedAt[r].Store(now.UnixNano())
		}
		// A refusal counts as a drop too, and has an event of its own.
		if more := total - min(total, d.told+n.refusedAs[r].Load()); more > 0 && d.pace.may(now) {
			d.told += more
			n.announce(Event{Kind: Dropped, Time: now, Reason: reason.Reason(r).String(), Count: more})
		}
	}
}

// dropsTold are the drops of one reason.
type dropsTold struct {
	seen, told uint64
	pace       pace
}

// reportRepeats tells what came again and is due. It belongs to the ticker.
func (n *Node) reportRepeats(now time.Time) {
	for _, ev := range n.repeats.due(now) {
		n.announce(ev)
	}
}
