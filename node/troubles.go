package node

import (
	"cmp"
	"net"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
)

// repetitions say which notices are news to the user. Any goroutine.
type repetitions struct {
	mu sync.Mutex
	repeats
}

// news says whether a notice is to be told now; ev is its event. What is not is
// counted, and summed up later.
func (r *repetitions) news(t *engine.Notice, ev Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := ev.Time
	switch t.Kind {
	case engine.NoticeRetry:
		return r.repeats.news(now, ev, ev.URL.String(), t.Stage+" "+ev.Reason)
	case engine.NoticeRefused:
		from := cmp.Or(ev.URL.String(), ev.Peer.String())
		if t.Link != nil && !ev.Outbound {
			from = everybody
			if c, ok := t.Link.Carrier.(transport.Conn); ok {
				from = networkOf(c.RemoteAddr())
			}
		}
		return r.repeats.news(now, ev, from, t.Stage+" "+ev.Reason)
	case engine.NoticeNoHome:
		return r.repeats.news(now, ev, ev.Peer.String(), ev.Reason)
	case engine.NoticeClockDoubted:
		return r.repeats.news(now, ev, everybody, ev.Reason)
	case engine.NoticePeerUp:
		if ev.URL != "" {
			r.over(ev.URL.String(), topic{kind: Retry}, topic{Refused, true})
		}
		r.over(ev.Peer.String(), topic{Refused, true})
	case engine.NoticeAttached:
		r.over(ev.Peer.String(), topic{kind: NoHome})
		r.over(everybody, topic{kind: ClockDoubted})
	case engine.NoticePeerDown, engine.NoticeIdentityInUse, engine.NoticeUpgraded:
	}
	return true
}

// isDrop says that the engine has counted what a notice tells among the drops: a dial
// that was refused, or a link that there was no place for.
func isDrop(t *engine.Notice) bool {
	noPlace := t.Reason == reason.LinkLimit || t.Reason == reason.GroupLimit
	return t.Kind == engine.NoticeRefused && (t.Stage != "" && t.Reason != reason.None || noPlace && t.Link != nil && !t.Link.Outbound)
}

// refused says whether the refusal of a stranger is news.
func (r *repetitions) refused(ev Event, network string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repeats.news(ev.Time, ev, network, ev.Reason)
}

// due are the sums to be told now.
func (r *repetitions) due(now time.Time) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sums(now)
}

// networkOf names the address group of a peer; carriers without addresses are one.
func networkOf(addr net.Addr) string {
	ip, ok := ipOf(addr)
	if !ok {
		return everybody
	}
	_, group := prefixesOf(ip)
	return group.String()
}

// tellRefused counts a peer that was refused before there was a link, and tells of it.
func (n *Node) tellRefused(from net.Addr, kind string, why reason.Reason, err error) {
	n.refusedAs[why].Add(1)
	n.drops.Add(why, 1)
	ev := Event{Kind: Refused, Time: time.Now(), Transport: kind, Reason: why.String(), Err: err.Error()}
	if n.repeats.refused(ev, networkOf(from)) {
		n.log.Log(n.ctx, Refused.Level(), string(Refused), "from", from, "reason", ev.Reason, "err", err)
		n.events.send(ev)
	}
}
