package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// iceServers asks each server of --ice, all at once.
func (p *patient) iceServers(ctx context.Context) {
	if p.cfg.WebRTC == node.WebRTCOff {
		return
	}
	findings := make([]finding, len(p.cfg.ICEServers))
	var asking sync.WaitGroup
	for i, text := range p.cfg.ICEServers {
		asking.Go(func() { findings[i] = p.iceServer(ctx, text) })
	}
	asking.Wait()
	for _, f := range findings {
		p.say(f)
	}
}

func (p *patient) iceServer(ctx context.Context, text string) finding {
	f := finding{Verdict: verdictOK, Check: "ice", Subject: secret.URL(text).String()}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	took, err := p.cfg.CheckICEServer(ctx, text)
	if err != nil {
		f.Verdict, f.Detail, f.Hint = verdictFail, err.Error(), node.ICEServerHint(err)
		return f
	}
	f.Detail = fmt.Sprintf("works, after %.1f ms", millis(took))
	return f
}
