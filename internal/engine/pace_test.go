package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
)

// crowdOverWebRTC are the dials of a node that was told of so many relays which
// can be had over WebRTC alone.
func crowdOverWebRTC(t *testing.T, count int) (*brain, []Dial) {
	t.Helper()
	b := newBrain(t, withWebRTC(WebRTCOn, 0))
	var records [][]byte
	for i := range count {
		records = append(records, rtcContact(stranger(i+1), b.now))
	}
	dials := b.told(records[:min(count, limits.NodesEntries)]...)
	if len(dials) != limits.LearntDials {
		t.Fatalf("got %d dials at once, want %d", len(dials), limits.LearntDials)
	}
	return b, dials
}

// pacing lets time go by in steps and ends dials.
type pacing struct {
	*brain
	underWay []underWay
	begun    int
	most     int // at once
}

type underWay struct {
	*Target
	since time.Time
}

func (p *pacing) take(dials []Dial) {
	for _, d := range dials {
		p.underWay = append(p.underWay, underWay{d.Target, p.now})
	}
	p.begun += len(dials)
	p.most = max(p.most, len(p.underWay))
}

// run ends each dial when it is so old, in the way that it is told.
func (p *pacing) run(d, age time.Duration, end DialFailed) {
	for until := p.now.Add(d); p.now.Before(until); p.now = p.now.Add(100 * time.Millisecond) {
		for len(p.underWay) > 0 && p.now.Sub(p.underWay[0].since) >= age {
			end.Target = p.underWay[0].Target
			p.underWay = p.underWay[1:]
			p.take(find[Dial](p.step(end)))
		}
		p.take(find[Dial](p.step(Wake{})))
	}
}

// silence lets nobody answer.
func (p *pacing) silence(d time.Duration) {
	p.run(d, limits.SignalTimeout, DialFailed{Stage: "negotiate", Silent: true})
}

// Where nobody answers in time a node asks less and less, one at a time with
// growing pauses, and as much as ever once somebody does.
func TestQuestionsWithoutAnswersAreFewer(t *testing.T) {
	b, dials := crowdOverWebRTC(t, 20)
	p := &pacing{brain: b}
	p.take(dials)
	p.silence(limits.SignalTimeout + time.Second)
	if got := len(p.underWay); got != limits.LearntDials/2 || !p.pace.held {
		t.Errorf("after the first silence: got %d dials under way, held back: %v; want %d, and others held back", got, p.pace.held, limits.LearntDials/2)
	}
	p.silence(2 * time.Minute)
	p.begun, p.most = 0, len(p.underWay)
	p.silence(5 * time.Minute)
	least := int(5 * time.Minute / (limits.SignalTimeout + limits.AskPauseMax))
	most := int(5*time.Minute/(limits.SignalTimeout+limits.AskPauseMax/2)) + 1
	if p.most > 1 || p.begun < least || p.begun > most {
		t.Errorf("in 5 min of silence: got %d dials, %d at once, want %d to %d, one at a time", p.begun, p.most, least, most)
	}
	p.run(3*time.Minute, 0, DialFailed{Stage: "negotiate", Reason: reason.LinkLimit})
	if got := p.pace.window(); got != limits.LearntDials || p.pace.held {
		t.Errorf("once answered: got a window of %d, held back: %v; want %d", got, p.pace.held, limits.LearntDials)
	}
}

// What ends without the mesh's fault is no reason to ask less: a peer behind
// another NAT, one that has gone, one that refuses.
func TestPaceStandsWithoutSilence(t *testing.T) {
	for _, why := range []reason.Reason{reason.None, reason.LinkLimit, reason.NoRoute} {
		t.Run(fmt.Sprint(why), func(t *testing.T) {
			b, dials := crowdOverWebRTC(t, 20)
			for _, d := range dials {
				b.step(DialFailed{Target: d.Target, Stage: "ice", Reason: why})
			}
			if got := b.pace.window(); got != limits.LearntDials {
				t.Errorf("got a window of %d, want %d", got, limits.LearntDials)
			}
		})
	}
}

// A pair that talks much does not wait for better times.
func TestPaceHoldsNoPairUp(t *testing.T) {
	b, dials := crowdOverWebRTC(t, 20)
	p := &pacing{brain: b}
	p.take(dials)
	p.silence(2 * time.Minute)
	for p.pace.open(p.clock(p.now.Add(limits.HotSeconds*time.Second)), 0) {
		p.silence(time.Second)
	}
	who := b.higher(1)
	for range limits.HotSeconds {
		dials = b.second(hotBytes(who))
	}
	if len(dials) != 1 || !dials[0].Direct {
		t.Errorf("got %+v, want a dial of the pair", dials)
	}
}
