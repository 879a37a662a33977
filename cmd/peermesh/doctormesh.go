package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
)

// maxJoins is how many bootstrap URLs are tried at once.
const maxJoins = 8

// joined is what became of one URL.
type joined struct {
	finding
	behind   time.Duration // this clock, of the one there
	compared bool
}

// bootstraps tries all URLs that the node would join by.
func (p *patient) bootstraps(ctx context.Context) {
	if len(p.cfg.Bootstrap) == 0 {
		f := finding{Verdict: verdictWarn, Check: "bootstrap", Detail: "none: this node waits for others to join it", Hint: "to join a mesh give --bootstrap ws://host:port"}
		if p.cfg.Listen == "" {
			f.Detail = "none, and no port at which others could join"
		}
		p.say(f)
		return
	}
	results := make([]joined, len(p.cfg.Bootstrap))
	slots := make(chan struct{}, maxJoins)
	var running sync.WaitGroup
	for i, raw := range p.cfg.Bootstrap {
		running.Go(func() {
			slots <- struct{}{}
			results[i] = p.join(ctx, "bootstrap", raw)
			<-slots
		})
	}
	running.Wait()
	p.weigh(results)
}

// weigh tells the results, and keeps who leads into the mesh and whose clock is
// farthest.
func (p *patient) weigh(results []joined) {
	for i, r := range results {
		if r.Verdict != verdictFail {
			p.linked = append(p.linked, p.cfg.Bootstrap[i])
		}
		if r.compared && (!p.compared || r.behind.Abs() > p.behind.Abs()) {
			p.behind, p.compared = r.behind, true
		}
	}
	for _, r := range results {
		p.say(r.finding)
	}
}

// join joins by one URL as a leaf with an identity of its own, and leaves.
func (p *patient) join(ctx context.Context, check, raw string) joined {
	j := joined{finding: finding{Verdict: verdictFail, Check: check, Subject: secret.URL(raw).String()}}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	watch := p.stopwatch()
	n, err := p.leaf(watch)
	if err != nil {
		j.Detail = err.Error()
		return j
	}
	defer leave(n, leaveTime)
	err = joinOnce(ctx, n, raw)
	j.behind, j.compared = p.askClock(ctx, raw)
	if err != nil {
		j.Stages = watch.finish()
		j.Stage, j.Reason, j.Detail, j.Hint = stageOf(err)
		return j
	}
	watch.ended("hello")
	j.Stages = watch.finish()
	j.Verdict = verdictOK
	for _, peer := range n.Peers() {
		j.Detail = fmt.Sprintf("%s (%s)", peer.ID, oneLine([]byte(peer.Agent)))
	}
	return j
}

// leaf starts a leaf without port or bootstrap.
func (p *patient) leaf(d transport.Dialer) (*node.Node, error) {
	return node.New(p.leafConfig(d))
}

func (p *patient) leafConfig(d transport.Dialer) node.Config {
	return node.Config{
		NetworkKey: p.cfg.NetworkKey, NetworkKeyFile: p.cfg.NetworkKeyFile, Agent: p.cfg.Agent, Logger: p.cfg.Logger, TLSCA: p.cfg.TLSCA,
		Leaf: true, Homes: oneHome, Dialers: map[string]transport.Dialer{"ws": d, "wss": d},
	}
}

// joinOnce joins by a URL and gives up at the first failure: a node would try
// again for ever.
func joinOnce(ctx context.Context, n *node.Node, raw string) error {
	ctx, cancel := context.WithCancel(ctx)
	events := n.Events(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		for e := range events {
			if e.URL == transport.URL(raw) && (e.Kind == node.Retry || e.Kind == node.Refused) {
				cancel()
			}
		}
	})
	err := n.Join(ctx, raw)
	cancel()
	watching.Wait()
	return err
}

// stageOf says where a join ended, why, and what to do.
func stageOf(err error) (stage, why, detail, advice string) {
	joins := find[*node.JoinError](err)
	if len(joins) == 0 {
		return "", "", err.Error(), ""
	}
	return joins[0].Stage, joins[0].Reason, joins[0].Err.Error(), strings.Join(joinHints(joins[:1]), "; ")
}

// ownURLs tells who can dial what this node would tell, and tries it from here.
func (p *patient) ownURLs(ctx context.Context) {
	for _, raw := range p.urls {
		f := finding{Verdict: verdictOK, Check: "url", Subject: secret.URL(raw).String(), Detail: scopeWords[scopeOf(raw)]}
		u, err := url.Parse(raw)
		if !p.serving {
			f.Verdict, f.Detail, f.Hint = verdictUnknown, f.Detail+"; not dialled: no node serves on the port", "see listen"
		}
		if p.serving && err == nil {
			watch := p.stopwatch()
			dialCtx, cancel := context.WithTimeout(ctx, p.patience)
			conn, err := watch.Dial(dialCtx, u)
			cancel()
			f.Stages = watch.finish()
			var dial *transport.DialError
			if errors.As(err, &dial) {
				f.Verdict, f.Stage, f.Detail = verdictWarn, dial.Stage, dial.Err.Error()
				f.Hint = ownURLHint(err)
				p.distrusted = p.distrusted || dial.Stage == transport.StageTLS
			} else if err == nil {
				_ = conn.Close()
			}
		}
		p.say(f)
	}
}

// ownURLHint says what to do about an own URL that this machine cannot dial. What is
// wrong with a certificate is so for others too.
func ownURLHint(err error) string {
	switch {
	case isA[x509.UnknownAuthorityError](err):
		return "give the root of your certificate with --tls-ca, here and at each node that is to dial this URL"
	case isA[x509.HostnameError](err):
		return "nobody can dial it: give a certificate that names it, or --public-url with a name that stands in the certificate"
	case isA[x509.CertificateInvalidError](err):
		return "nobody can dial it: renew the certificate, or set the clock"
	}
	return "this machine cannot dial it itself; others perhaps can: see reach"
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// remote looks for a node by its ID: first by way of the mesh, then directly.
func (p *patient) remote(ctx context.Context, id routing.ID) {
	f := finding{Verdict: verdictFail, Check: "node", Subject: id.String()}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if len(p.linked) == 0 {
		f.Stage, f.Detail, f.Hint = "join", "no bootstrap URL leads into the mesh", "see bootstrap"
		p.say(f)
		return
	}
	n, err := p.leaf(p.stopwatch())
	if err == nil {
		defer leave(n, leaveTime)
		f.Stage = "join"
		err = joinOnce(ctx, n, p.linked[0])
	}
	if err == nil {
		f.Stage = "ping"
		f, err = pinged(ctx, n, id, f)
	}
	if err != nil {
		f.Detail, f.Hint = err.Error(), strings.Join(hints(err), "; ")
	}
	p.say(f)
}

// pinged says how a node is reached that answers.
func pinged(ctx context.Context, n *node.Node, id routing.ID, f finding) (finding, error) {
	r, err := n.Ping(ctx, id)
	if err != nil {
		return f, err
	}
	f.Verdict, f.Stage = verdictOK, ""
	f.Detail = fmt.Sprintf("answers in %.1f ms, %s", millis(r.RTT), hopCount(r.Hops))
	if err := n.Connect(ctx, id); err != nil {
		f.Detail += fmt.Sprintf("; no direct link: %v", err)
	} else {
		f.Detail += "; a direct link works"
	}
	return f, nil
}
