package node

import (
	"context"
	"net/netip"
	"net/url"
	"slices"

	"golang.org/x/time/rate"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// linkAsks bounds what others make this node dial.
type linkAsks struct {
	slots chan struct{} // one token per answer under way
	rate  *rate.Limiter
}

func (n *Node) openConnectPort() {
	n.linkAsks = linkAsks{make(chan struct{}, limits.ConnectAnswers), rate.NewLimiter(limits.ConnectRate, limits.ConnectBurst)}
	_, _ = n.open(wire.ConnectPort, HandlerFunc(func(ctx context.Context, m *Message) {
		ask, err := wire.ParseConnectAsk(m.Data)
		if err != nil || !m.WantsReply() {
			n.drops.Add(reason.Malformed, 1)
			return
		}
		select {
		case n.linkAsks.slots <- struct{}{}:
			n.spawn(func() {
				reply := n.answerLinkAsk(ctx, m.From.ID, ask)
				_ = replyWithin(ctx, m, wire.AppendConnectReply(nil, &reply))
				<-n.linkAsks.slots
			})
		default:
			n.drops.Add(reason.RateLimited, 1)
		}
	}))
}

// answerLinkAsk says how a link with the asker can be had, or makes it.
func (n *Node) answerLinkAsk(ctx context.Context, from routing.ID, ask wire.ConnectAsk) wire.ConnectReply {
	if n.linkedWith(from) {
		return wire.ConnectReply{Kind: wire.ConnectLinked}
	}
	told := n.believed()
	if own := told.allowed(n.URLs()); ask.Kind == wire.ConnectLink && len(own) > 0 {
		return wire.ConnectReply{Kind: wire.ConnectDialMe, URLs: own}
	}
	if len(ask.URLs) == 0 || !n.linkAsks.rate.Allow() {
		return wire.ConnectReply{Kind: wire.ConnectNoWay}
	}
	ctx, cancel := context.WithTimeout(ctx, limits.ConnectDial)
	defer cancel()
	if err := n.reach(ctx, engine.Contact{ID: from, URLs: ask.URLs, Scopes: told.scopes}, true); err != nil {
		n.log.Debug("no link with a node that asked for one", "peer", from, "err", err)
		return wire.ConnectReply{Kind: wire.ConnectNoWay}
	}
	return wire.ConnectReply{Kind: wire.ConnectLinked}
}

// told is what a message that came over the mesh may tell of addresses, and may
// be told.
type told struct{ scopes engine.Scopes }

// believed is what every link of this node may tell: a message does not say by
// which one it came.
func (n *Node) believed() told {
	scopes := engine.AllScopes
	for _, l := range n.live.all() {
		scopes &= scopeOf(l.conn).Told()
	}
	return told{scopes}
}

// allowed are the URLs that may lead to such an address; where a name leads is
// checked by who dials it.
func (t told) allowed(urls []string) []string {
	return slices.DeleteFunc(slices.Clone(urls), func(raw string) bool {
		u, err := url.Parse(raw)
		if err != nil {
			return true
		}
		addr, err := netip.ParseAddr(u.Hostname())
		return err == nil && engine.ScopeOf(addr)&t.scopes == 0
	})
}
