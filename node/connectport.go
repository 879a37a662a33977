package node

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/signal"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

func (n *Node) openConnectPort() {
	n.linkAsks = newLinkAsks(n.note)
	_, _ = n.open(wire.ConnectPort, HandlerFunc(n.takeConnect))
}

// takeConnect takes a question for a link, or candidates or the end of one under
// way.
func (n *Node) takeConnect(ctx context.Context, m *Message) {
	if !m.WantsReply() {
		n.takeCandidates(m)
		return
	}
	verdict := n.linkAsks.enter(m.From.ID)
	if verdict == askDropped {
		n.drops.Add(reason.RateLimited, 1)
		return
	}
	ask, err := wire.ParseConnectAsk(m.Data) // which is the handler's alone
	answer := func() {
		defer n.linkAsks.leave(m.From.ID)
		switch {
		case verdict == askRefused:
			n.refuseLinkAsk(ctx, m, reason.RateLimited)
		case err != nil:
			n.refuseLinkAsk(ctx, m, reason.Malformed)
		default:
			n.replyToAsk(ctx, m, &ask)
		}
	}
	if !n.spawn(answer) {
		n.linkAsks.leave(m.From.ID)
	}
}

// takeCandidates tries what a peer found after its description left, or takes its
// word that the session is over.
func (n *Node) takeCandidates(m *Message) {
	if over, err := wire.ParseConnectOver(m.Data); err == nil {
		n.rtc.over(m.From.ID, over.Session)
		return
	}
	c, err := wire.ParseCandidates(m.Data)
	if err != nil {
		n.drops.Add(reason.Malformed, 1)
		return
	}
	pc, lines, why := n.rtc.candidates(m.From.ID, &c)
	if why != reason.None {
		n.drops.Add(why, 1)
	}
	for _, line := range lines {
		n.tryCandidate(m.From.ID, pc, line)
	}
}

// replyToAsk answers a question for a link, and makes the link over WebRTC if
// that is the answer.
func (n *Node) replyToAsk(ctx context.Context, m *Message, ask *wire.ConnectAsk) {
	reply, a := n.answerAsk(ctx, m.From.ID, ask)
	if reply.Kind == wire.ConnectNoWay {
		n.drops.Add(reason.Reason(reply.Reason), 1)
	}
	if a != nil && !n.spawn(func() { n.finishAnswer(a) }) {
		n.rtc.end(a, false)
	}
	replyToLinkAsk(ctx, m, &reply)
}

// answerAsk says how a link with the asker can be had, or makes it. The attempt
// is one over WebRTC whose answer is the reply.
func (n *Node) answerAsk(ctx context.Context, from routing.ID, ask *wire.ConnectAsk) (wire.ConnectReply, *attempt) {
	if n.keepsLink(from, ask) {
		return wire.ConnectReply{Kind: wire.ConnectLinked}, nil
	}
	told := n.believed()
	if own := told.allowed(n.URLs()); ask.Kind == wire.ConnectLink && len(own) > 0 {
		return wire.ConnectReply{Kind: wire.ConnectDialMe, URLs: own}, nil
	}
	why := n.dialAsker(ctx, from, ask, told)
	if why == reason.None {
		return wire.ConnectReply{Kind: wire.ConnectLinked}, nil
	}
	if n.rtc.endpoint == nil || ask.SDP == "" {
		return noWay(ask, why), nil
	}
	return n.answerOffer(from, ask)
}

func noWay(ask *wire.ConnectAsk, why reason.Reason) wire.ConnectReply {
	return wire.ConnectReply{Kind: wire.ConnectNoWay, Reason: uint8(why), Session: ask.Session}
}

// keepsLink says whether there is a link with the asker. One over WebRTC that
// the asker, who makes a new offer, does not have any more, makes room for the
// new one: it is closed first, as two between the same sockets disturb each
// other. A younger one may have come up after the question left.
func (n *Node) keepsLink(from routing.ID, ask *wire.ConnectAsk) bool {
	kept := false
	for _, l := range n.live.all() {
		if l.link.Peer != from {
			continue
		}
		if ask.SDP != "" && l.conn.Kind() == rtcKind && time.Since(l.since) > limits.SignalTimeout {
			l.link.Close(reason.Replaced)
		} else {
			kept = true
		}
	}
	return kept
}

// dialAsker tries the asker's URLs for a short time. None: there is a link;
// WrongID: another node answers there; RateLimited: it may not be dialled now;
// Unsupported: nobody answers, or there is nothing to dial.
func (n *Node) dialAsker(ctx context.Context, from routing.ID, ask *wire.ConnectAsk, told told) reason.Reason {
	if len(ask.URLs) == 0 {
		return reason.Unsupported
	}
	if !n.linkAsks.mayDial(from) {
		return reason.RateLimited
	}
	ctx, cancel := context.WithTimeout(ctx, limits.ConnectDial)
	defer cancel()
	err := n.reach(ctx, engine.Contact{ID: from, URLs: ask.URLs, Scopes: told.scopes}, true, ask.Direct)
	if err == nil {
		return reason.None
	}
	n.log.Debug("no link with a node that asked for one", "peer", from, "err", err)
	if errors.Is(err, reason.WrongID) {
		return reason.WrongID
	}
	return reason.Unsupported
}

// answerOffer answers an offer of a link over WebRTC.
func (n *Node) answerOffer(from routing.ID, ask *wire.ConnectAsk) (wire.ConnectReply, *attempt) {
	a, verdict := n.rtc.offered(n.ctx, from, ask)
	if a == nil {
		if verdict.Action == signal.Yield {
			return wire.ConnectReply{Kind: wire.ConnectYield, Session: ask.Session}, nil
		}
		return noWay(ask, verdict.Reason), nil
	}
	if why := n.room(engine.Offered{ID: from, Direct: ask.Direct, Need: ask.Need}); why != reason.None {
		n.rtc.end(a, false)
		return noWay(ask, why), nil
	}
	pc, err := n.rtc.endpoint.Answer(a.ctx, n.iceSetup(), ask.SDP)
	if err != nil {
		n.rtc.end(a, false)
		n.log.Debug("offer refused", "peer", from, "err", err)
		if errors.Is(err, webrtc.ErrDescription) || errors.Is(err, webrtc.ErrCandidate) {
			return noWay(ask, reason.Malformed), nil
		}
		return noWay(ask, noAttempt(err)), nil
	}
	if !n.rtc.made(a, pc) {
		n.rtc.end(a, false)
		return noWay(ask, reason.Closed), nil
	}
	return wire.ConnectReply{Kind: wire.ConnectAnswer, Session: ask.Session, SDP: pc.Description()}, a
}

// finishAnswer waits for the link of an offer that was answered, and runs it.
func (n *Node) finishAnswer(a *attempt) {
	conn, remote, err := n.establish(a, 0)
	cause := context.Cause(a.ctx)
	n.rtc.end(a, conn != nil)
	if err != nil {
		if !errors.Is(cause, errGivenUp) && peerWaits(err) {
			n.tellOver(a)
		}
		n.log.Debug("no link over WebRTC with a node that offered one", "peer", a.peer, "err", err)
		return
	}
	n.spawnLink(conn, remote, source{dial: remote.Hello.Dial, direct: a.direct})
}

// told is what a message that came over the mesh may tell of URLs, and may be told.
type told struct{ scopes engine.Scopes }

// believed is what every link of this node may tell: a message does not say by
// which one it came. Once none is left, that is what anybody may: public ones.
func (n *Node) believed() told { return told{n.common(scopeOf)} }

// candidateScopes is the same of candidates, which cost less than a dial: a link over
// WebRTC counts by its address. Of private candidates more are tried (see package
// transport/webrtc).
func (n *Node) candidateScopes() engine.Scopes { return n.common(addressScope) }

// common is what all links may tell.
func (n *Node) common(scope func(transport.Conn) engine.Scopes) engine.Scopes {
	links := n.live.all()
	if len(links) == 0 {
		return engine.ScopePublic
	}
	scopes := engine.AllScopes
	for _, l := range links {
		scopes &= scope(l.conn).Told()
	}
	return scopes
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
