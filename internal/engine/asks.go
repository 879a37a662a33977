package engine

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// ask is a Nearest or a Probe of this node, until it is answered or given up.
type ask struct {
	nonce  [wire.NonceLen]byte
	target routing.Key // of a Nearest
	via    routing.ID  // the relay to begin at; zero: here
	probe  *Trace      // nil: a Nearest
	tries  int
	next   time.Time
	// done is told once; nil: nobody answered.
	done func(e *Engine, now time.Time, a *answer)
}

// answer is what came back.
type answer struct {
	from     routing.ID
	contacts []*known
	probe    wire.ProbeReport
}

// nonce is random.
func (e *Engine) nonce() (b [wire.NonceLen]byte) {
	binary.BigEndian.PutUint64(b[:8], e.cfg.Rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], e.cfg.Rand.Uint64())
	return b
}

// begin sends the first frame of a; false: too many are under way.
func (e *Engine) begin(now time.Time, a *ask) bool {
	if len(e.asks) >= limits.Asks {
		return false
	}
	a.nonce = e.nonce()
	e.asks = append(e.asks, a)
	e.sendAsk(now, a)
	return true
}

// askNearest looks up the relays nearest a Key.
func (e *Engine) askNearest(now time.Time, target routing.Key, via routing.ID, done func(*Engine, time.Time, *answer)) bool {
	return e.begin(now, &ask{target: target, via: via, done: done})
}

func (e *Engine) sendAsk(now time.Time, a *ask) {
	f := wire.Frame{Class: wire.ClassControl, HopLimit: wire.MaxHopLimit, Src: wire.ID(e.cfg.Self)}
	if home, ok := e.returnHome(a); ok {
		f.Return = home[:]
	}
	if a.probe != nil {
		f.Type, f.HopLimit, f.Dst, f.Detour = wire.TypeProbe, a.probe.Hops, wire.ID(a.probe.To), []byte{}
		f.Body = wire.AppendProbeBody(nil, &wire.ProbeBody{Nonce: a.nonce, Padding: make([]byte, wire.AnswerProbeLen-wire.NonceLen)})
	} else {
		f.Type = wire.TypeNearest
		if !a.via.IsZero() && a.tries == 0 {
			f.Waypoints = a.via[:]
		}
		body := wire.NearestBody{Nonce: a.nonce, Target: wire.Key(a.target), Op: wire.OpFindNode}
		body.Rest = make([]byte, limits.FindNodeBytes-wire.NearestHeaderLen)
		f.Body = wire.AppendNearestBody(nil, &body)
	}
	e.do(SendFrame{Frame: wire.AppendFrame(nil, &f), K: a.tries})
	a.next = now.Add(limits.AskRetry << a.tries)
	a.tries++
}

// returnHome is where an answer finds this node while the mesh does not know it
// yet: for a leaf a home, for a relay without its place any peer.
func (e *Engine) returnHome(a *ask) (routing.ID, bool) {
	if !e.cfg.Leaf && e.joined && a.tries == 0 {
		return routing.ID{}, false
	}
	if e.cfg.Leaf {
		if homes := e.Homes(); len(homes) > 0 {
			return routing.ID(homes[0]), true
		}
	}
	for _, n := range e.links.list {
		if n.usable() && !n.Leaf {
			return n.ID, true
		}
	}
	return routing.ID{}, false
}

// asksDue sends again what was not answered, and gives up.
func (e *Engine) asksDue(now time.Time) {
	for _, a := range slices.Clone(e.asks) {
		if now.Before(a.next) {
			continue
		}
		if a.tries < limits.AskTries {
			e.sendAsk(now, a)
			continue
		}
		e.ended(a)
		a.done(e, now, nil)
	}
}

// hintedAsk takes a Hint about a Nearest or a Probe; false: it is about something
// else. The next try does not wait for an answer that cannot come.
func (e *Engine) hintedAsk(now time.Time, h *wire.Hint) bool {
	if h.Type != wire.TypeNearest && h.Type != wire.TypeProbe {
		return false
	}
	for _, a := range e.asks {
		if a.nonce == h.Echo {
			a.next = now
			return true
		}
	}
	e.cfg.Drops.Add(reason.Unsolicited, 1)
	return true
}

func (e *Engine) ended(a *ask) {
	e.asks = slices.DeleteFunc(e.asks, func(o *ask) bool { return o == a })
}

// answered takes an Answer; false: nobody asked.
func (e *Engine) answered(now time.Time, link uint64, f *wire.Frame, body *wire.AnswerBody) bool {
	i := slices.IndexFunc(e.asks, func(a *ask) bool { return a.nonce == body.Nonce })
	if i < 0 || (e.asks[i].probe != nil) != (body.Kind == wire.AnswerProbe) {
		return false
	}
	a := e.asks[i]
	e.ended(a)
	got := &answer{from: routing.ID(f.Src), probe: body.Probe}
	told := e.told(link)
	for _, raw := range body.Records {
		if k := e.learn(now, raw, told); k != nil {
			got.contacts = append(got.contacts, k)
		}
	}
	a.done(e, now, got)
	return true
}

// told is for which scopes the word of the peer at a link is good.
func (e *Engine) told(link uint64) Scopes {
	if n := e.links.byNumber[link]; n != nil {
		return n.from.Scope.Told()
	}
	return ScopePublic
}
