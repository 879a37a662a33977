package tcpsim

import "time"

// bbr is version 1 of BBR, as in Linux.
type bbr struct {
	state   bbrState
	size    float64 // bytes
	saved   float64 // before a loss or a probe
	rates   []bbrRate
	rounds  int
	rtt     time.Duration // least
	rttAt   time.Duration
	full    bool // the rate does not grow any more
	fullAt  float64
	calm    int // rounds without growth
	phase   int
	phaseAt time.Duration
	probing time.Duration // until when the round trip is probed; 0: it is not
	keep    bool          // send what arrives, no more: the first round of a repair
	lost    bool          // in this phase
	was     float64       // the window before a timeout
}

type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrCruise
	bbrProbe
)

type bbrRate struct {
	round int
	rate  float64
}

const (
	bbrHigh      = 2.885
	bbrRounds    = 10 // that a rate counts for
	bbrLeast     = 4 * Segment
	bbrRTTWindow = 10 * time.Second
	bbrProbeTime = 200 * time.Millisecond
)

var bbrGains = [...]float64{1.25, .75, 1, 1, 1, 1, 1, 1}

func newBBR() *bbr { return &bbr{size: initialWindow * Segment, rttAt: longAgo} }

func (b *bbr) window() int     { return int(b.size) }
func (b *bbr) slowStart() bool { return false }

func (b *bbr) rate() (most float64) {
	for _, r := range b.rates {
		most = max(most, r.rate)
	}
	return most
}

// product is what the path holds at a gain.
func (b *bbr) product(gain float64) float64 { return gain * b.rate() * b.rtt.Seconds() }

func (b *bbr) gain() float64 {
	switch b.state {
	case bbrStartup:
		return bbrHigh
	case bbrDrain:
		return 1 / bbrHigh
	case bbrCruise:
		return bbrGains[b.phase]
	}
	return 1
}

func (b *bbr) pace() float64 {
	if rate := b.rate(); rate > 0 {
		return b.gain() * rate
	}
	rtt := b.rtt
	if rtt == 0 {
		rtt = time.Millisecond
	}
	return bbrHigh * initialWindow * Segment / rtt.Seconds()
}

func (b *bbr) ack(r *report) {
	if r.round {
		b.rounds++
		b.keep = false
	}
	if r.rate > 0 && (!r.limited || r.rate >= b.rate()) {
		b.rates = append(b.rates, bbrRate{b.rounds, r.rate})
		b.trim()
	}
	b.fill(r)
	b.turn(r)
	b.look(r)
	b.resize(r)
}

// trim keeps of the rates what can still be the greatest.
func (b *bbr) trim() {
	last := b.rates[len(b.rates)-1]
	kept := b.rates[:0]
	for _, x := range b.rates[:len(b.rates)-1] {
		if x.round > last.round-bbrRounds && x.rate > last.rate {
			kept = append(kept, x)
		}
	}
	b.rates = append(kept, last)
}

// fill sees that the path is full when the rate has not grown in three rounds.
func (b *bbr) fill(r *report) {
	if b.full || !r.round || r.limited {
		return
	}
	if rate := b.rate(); rate >= 1.25*b.fullAt {
		b.fullAt, b.calm = rate, 0
		return
	}
	b.calm++
	b.full = b.calm >= 3
}

// turn moves from state to state.
func (b *bbr) turn(r *report) {
	if b.state == bbrStartup && b.full {
		b.state = bbrDrain
	}
	if b.state == bbrDrain && float64(r.pipe) <= b.product(1) {
		b.state, b.phase, b.phaseAt = bbrCruise, 2, r.now
	}
	if b.state != bbrCruise {
		return
	}
	over := r.now-b.phaseAt > b.rtt
	switch b.phase {
	case 0:
		over = over && (b.lost || float64(r.pipe) >= b.product(bbrGains[0]))
	case 1:
		over = over || float64(r.pipe) <= b.product(1)
	}
	if over {
		b.phase, b.phaseAt, b.lost = (b.phase+1)%len(bbrGains), r.now, false
	}
}

// look keeps the least round trip, and probes it when it is old.
func (b *bbr) look(r *report) {
	old := b.rtt > 0 && r.now-b.rttAt > bbrRTTWindow
	if r.rtt > 0 && (b.rtt == 0 || r.rtt <= b.rtt || old) {
		b.rtt, b.rttAt = r.rtt, r.now
	}
	if old && b.state != bbrProbe {
		b.state, b.probing = bbrProbe, 0
		b.saved = max(b.saved, b.size)
	}
	if b.state != bbrProbe {
		return
	}
	if b.probing == 0 {
		if r.pipe <= bbrLeast {
			b.probing = r.now + max(bbrProbeTime, b.rtt)
		}
	} else if r.now >= b.probing {
		b.rttAt, b.size = r.now, max(b.size, b.saved)
		b.saved = 0
		if b.state = bbrStartup; b.full {
			b.state, b.phase, b.phaseAt = bbrCruise, 2, r.now
		}
	}
}

func (b *bbr) resize(r *report) {
	gain := 2.0
	if b.state == bbrStartup || b.state == bbrDrain {
		gain = bbrHigh
	}
	target := b.product(gain) + 3*Segment
	switch acked := float64(r.acked); {
	case b.keep:
		b.size = max(b.size, float64(r.pipe)+acked)
	case b.full:
		b.size = min(b.size+acked, target)
	case b.size < target || b.rate() == 0:
		b.size += acked
	}
	b.size = max(b.size, bbrLeast)
	if b.state == bbrProbe {
		b.size = min(b.size, bbrLeast)
	}
}

func (b *bbr) loss(pipe int) {
	b.saved = max(b.saved, b.size)
	b.size = max(float64(pipe+Segment), bbrLeast)
	b.keep, b.lost = true, true
}

func (b *bbr) timeout(first bool) {
	if first {
		b.was = b.size
		b.saved = max(b.saved, b.size)
	}
	b.size, b.lost = Segment, true
}

func (b *bbr) undo() { b.size = max(b.size, b.was) }

func (b *bbr) recovered() {
	if b.state != bbrProbe {
		b.size, b.saved = max(b.size, b.saved), 0
	}
	b.keep = false
}

func (b *bbr) idle() {}
