package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

func (ev Trace) step(e *Engine, now time.Time) {
	done := func(_ *Engine, _ time.Time, a *answer) {
		if a == nil {
			ev.Done(wire.ProbeReport{}, false)
			return
		}
		ev.Done(a.probe, true)
	}
	if !e.begin(now, &ask{probe: &ev, done: done}) {
		ev.Done(wire.ProbeReport{}, false)
	}
}

var linkKinds = map[string]wire.LinkKind{
	"ws": wire.LinkKindWS, "webrtc": wire.LinkKindWebRTC, "mem": wire.LinkKindMemory,
}

// probed answers a probe that ended here, if the answer is no longer than it.
func (e *Engine) probed(link uint64, f *wire.Frame, body *wire.ProbeBody) {
	if len(body.Padding) < wire.AnswerProbeLen-wire.NonceLen {
		e.cfg.Drops.Add(reason.Malformed, 1)
		return
	}
	report := wire.ProbeReport{ID: wire.ID(e.cfg.Self), HopLimit: f.HopLimit}
	if n := e.links.byNumber[link]; n != nil {
		report.LinkKind = linkKinds[n.link.Carrier.Kind()]
		report.QueueBytes = uint32(n.link.Stats().Queued)
	}
	reply := e.replyTo(f)
	e.sendAnswer(&reply, &wire.AnswerBody{Nonce: body.Nonce, Kind: wire.AnswerProbe, Probe: report})
}
