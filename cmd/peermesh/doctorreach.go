package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// maxAsked is how many peers are asked to dial this node.
const maxAsked = 3

// reach has a peer dial this node.
func (p *patient) reach(ctx context.Context) {
	f := finding{Verdict: verdictWarn, Check: "reach"}
	switch {
	case p.cfg.Listen == "":
		f.Verdict, f.Detail = verdictOK, "no --port: others reach this node by way of its homes"
		if len(p.cfg.Bootstrap) == 0 {
			f.Verdict, f.Detail, f.Hint = verdictWarn, "this node is alone: nobody can join it, and it joins nobody", "give --port to be joined, or --bootstrap to join"
		}
	case len(p.cfg.Bootstrap) == 0:
		f.Verdict, f.Detail, f.Hint = verdictUnknown, "no mesh to ask who can dial this node", "give --bootstrap, and a peer is asked to"
	case len(p.linked) == 0:
		f.Verdict, f.Detail, f.Hint = verdictFail, "no bootstrap URL leads into the mesh", "see bootstrap"
	case !p.serving:
		f.Verdict, f.Detail, f.Hint = verdictUnknown, "not asked: no node serves on the port", "see listen"
	case p.own == nil:
		f = p.reachRunning(ctx, f)
	default:
		f = p.askPeers(ctx, p.own, routing.ID{}, f)
	}
	p.say(f)
}

// reachRunning has a peer dial the node that runs on the port: who asks gives that
// node's URLs for its own, and the peer says that it met another there.
func (p *patient) reachRunning(ctx context.Context, f finding) finding {
	running := p.whoRuns(ctx)
	if running.IsZero() {
		f.Verdict, f.Detail, f.Hint = verdictUnknown, "not asked: the node that runs on the port does not say who it is", "run this as the user of that node, or stop it"
		return f
	}
	cfg := p.leafConfig(p.stopwatch())
	cfg.PublicURLs = p.urls
	asker, err := node.New(cfg)
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer leave(asker, leaveTime)
	return p.askPeers(ctx, asker, running, f)
}

// whoRuns is the ID of the node on the port: who answers there, or at its URLs,
// or who says among the runtime files that the URLs are its own. Zero: unknown.
func (p *patient) whoRuns(ctx context.Context) routing.ID {
	here := p.urlHere()
	here.Scheme = strings.Replace(here.Scheme, "http", "ws", 1)
	for _, raw := range append([]string{here.String()}, p.urls...) {
		if id := p.whoAnswers(ctx, raw); !id.IsZero() {
			return id
		}
	}
	for _, r := range admin.Running() {
		client, err := admin.NewClient(r.URL)
		if err != nil {
			continue
		}
		s, err := client.Status(ctx)
		client.Close()
		if err == nil && slices.ContainsFunc(s.URLs, func(u string) bool { return slices.Contains(p.urls, u) }) {
			return s.ID
		}
	}
	return routing.ID{}
}

// whoAnswers joins by a URL and leaves.
func (p *patient) whoAnswers(ctx context.Context, raw string) routing.ID {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	n, err := p.leaf(p.stopwatch())
	if err != nil {
		return routing.ID{}
	}
	defer leave(n, leaveTime)
	if joinOnce(ctx, n, raw) != nil {
		return routing.ID{}
	}
	for _, peer := range n.Peers() {
		return peer.ID
	}
	return routing.ID{}
}

// askPeers joins with the asker and asks peers, but for its home, to dial its URLs.
// They are to lead to the asker or, if another's ID is given, to that node.
func (p *patient) askPeers(ctx context.Context, asker *node.Node, other routing.ID, f finding) finding {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if err := joinOnce(ctx, asker, p.linked[0]); err != nil {
		f.Detail = err.Error()
		return f
	}
	peers, err := asker.Lookup(ctx, asker.ID().Key())
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	var refused error
	asked := 0
	for _, id := range peers {
		if id == other || linkedWith(asker, id) || asked == maxAsked || ctx.Err() != nil {
			continue
		}
		asked++
		refused = asker.AskDial(ctx, id)
		switch {
		case other.IsZero() && refused == nil:
			f.Verdict, f.Detail = verdictOK, fmt.Sprintf("peer %s dialled this node", id.Short())
			return f
		case !other.IsZero() && errors.Is(refused, reason.WrongID):
			f.Verdict, f.Detail = verdictOK, fmt.Sprintf("peer %s dialled the port and met a node; from here that is %s", id.Short(), other.Short())
			return f
		}
	}
	if asked == 0 {
		f.Verdict, f.Detail, f.Hint = verdictUnknown, "the mesh has no second relay that could dial this node", "ask again when it has grown"
		return f
	}
	f.Detail = fmt.Sprintf("no peer of %d could dial this node: %v", asked, refused)
	f.Hint = "open the port in the firewall or router, and give --public-url with the address that others see"
	if p.distrusted {
		f.Hint = "its certificate does not hold here either: see url"
	} else if p.cfg.TLSCert != "" && p.cfg.TLSCA != "" {
		f.Hint += "; peers need the root of your certificate too (--tls-ca)"
	}
	return f
}

func linkedWith(n *node.Node, id routing.ID) bool {
	for _, peer := range n.Peers() {
		if peer.ID == id {
			return true
		}
	}
	return false
}
