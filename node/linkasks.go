package node

import (
	"context"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// linkAsks bounds what others make this node do for links with them: in all, and
// for each peer, so that one does not use up what is there for others. An ask
// beyond it is refused with a reason, as long as there is room for that.
type linkAsks struct {
	mu    sync.Mutex
	under map[routing.ID]int // asks of a peer that are being answered, their replies on the way included
	total int                // of all peers
	dials map[routing.ID]int // dials of a peer's URLs, of the last while
	count int                // of all peers
	note  func(*guard.Panic) // of the node; set at the start
}

func newLinkAsks(note func(*guard.Panic)) linkAsks {
	return linkAsks{under: make(map[routing.ID]int), dials: make(map[routing.ID]int), note: note}
}

// askVerdict is what becomes of an ask.
type askVerdict uint8

const (
	askDropped askVerdict = iota // there is no room even for a refusal
	askRefused                   // is told so
	askAnswered
)

// enter takes an ask of a peer in; leave has to follow unless it is dropped.
func (l *linkAsks) enter(from routing.ID) askVerdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.under[from]
	switch {
	case own > limits.ConnectAnswersPeer || l.total >= limits.ConnectAnswers+limits.ConnectRefusals:
		return askDropped
	case own == limits.ConnectAnswersPeer || l.total >= limits.ConnectAnswers:
		l.under[from]++
		l.total++
		return askRefused
	}
	l.under[from]++
	l.total++
	return askAnswered
}

func (l *linkAsks) leave(from routing.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	less(l.under, from)
	l.total--
}

// mayDial says whether a peer's URLs may be dialled now, which takes one of the
// dials that it has in each limits.ConnectDialPause.
func (l *linkAsks) mayDial(from routing.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dials[from] >= limits.ConnectDialsPeer || l.count >= limits.ConnectDials {
		return false
	}
	l.dials[from]++
	l.count++
	time.AfterFunc(limits.ConnectDialPause, guard.Func("the bound of dials for others", func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		less(l.dials, from)
		l.count--
	}, l.note))
	return true
}

// less counts one down, and keeps no zeros.
func less[K comparable](counts map[K]int, of K) {
	if counts[of]--; counts[of] <= 0 {
		delete(counts, of)
	}
}

// replyToLinkAsk sends a reply, and waits no longer for its ack than an honest
// asker takes: whoever sends none holds one of few places.
func replyToLinkAsk(ctx context.Context, m *Message, reply *wire.ConnectReply) {
	ctx, cancel := context.WithTimeout(ctx, limits.ConnectReply)
	defer cancel()
	_ = m.Reply(ctx, wire.AppendConnectReply(nil, reply))
}

// refuseLinkAsk counts and tells why an ask is not answered.
func (n *Node) refuseLinkAsk(ctx context.Context, m *Message, why reason.Reason) {
	n.drops.Add(why, 1)
	replyToLinkAsk(ctx, m, &wire.ConnectReply{Kind: wire.ConnectNoWay, Reason: uint8(why)})
}
