package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// liveness is what a link knows of its neighbour's health. Guarded by Link.mu.
type liveness struct {
	idle    time.Duration // silence after which to ping
	heard   uint64        // bytes received when last looked at
	heardAt time.Time     // when that number last grew
	pingAt  time.Time     // zero: no ping is out
	ping    [8]byte
	srtt    time.Duration
	pinged  time.Time // when the last ping left that was answered
	probed  time.Time // when it was asked whether the neighbour is there; zero: it has shown that, or nobody asked
	debt    debt

	suspect  bool
	doubted  time.Time // since when it is, if it is
	still    time.Time // when the last long silence was over
	owedAt   time.Time // when an ack began to be owed; zero: none, or not looked at yet
	pongOwed bool      // an answer waits to be written
}

func newLiveness(leaf bool, now time.Time) liveness {
	idle := limits.PingIdleRelay
	if leaf {
		idle = limits.PingIdleLeaf
	}
	return liveness{idle: idle, heardAt: now}
}

// rto is for how long a neighbour may take nothing of what waits for it: generous
// where that costs little, and less than a second on all links but those that take
// nearly half of it for a round trip.
func (v *liveness) rto() time.Duration {
	d := min(3*v.srtt+limits.AckDelay, max(2*v.srtt+limits.AckDelay, limits.LinkRTOSoon))
	return min(max(d, limits.LinkRTOMin), limits.LinkRTOMax)
}

// Health is what a tick found.
type Health struct {
	Dead    reason.Reason // not None: end the link for this cause
	Unacked bool          // the cause is that the neighbour, which is well, acks nothing: tell it
	Suspect bool          // frames that have another way should avoid the link for now
	Changed bool          // Suspect differs from the last tick
	Busy    bool          // acks are owed or awaited: tick again after limits.LinkTick
}

// Tick looks at the link's clocks: it pings an idle neighbour, sends an ack
// that was owed for limits.AckDelay, ends a writer that has nothing to do, and
// says whether the neighbour is suspect or dead. nonce is used if a ping goes out. A busy link is ticked every
// limits.LinkTick, the others every limits.IdleTick.
func (l *Link) Tick(now time.Time, nonce [8]byte) Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.closing {
		return Health{}
	}
	l.writer.tick(now)
	l.forgetLook(now)
	v := &l.live
	if bytes := l.rx.bytes.Load(); bytes != v.heard {
		v.heard, v.heardAt = bytes, now
	}
	l.tickAck(now)
	l.live.debt.look(now, &l.handed)
	l.tickLine(now)
	h := Health{Suspect: l.late(now)}
	if h.Changed = h.Suspect != v.suspect; h.Changed {
		v.doubted = now
	}
	v.suspect = h.Suspect
	if h.Suspect && v.pingAt.IsZero() && !l.proved(now) {
		l.sendPing(now, nonce)
	}
	if h.Unacked = l.unacked(now); h.Unacked {
		h.Dead = reason.Stalled
		return h
	}
	if v.unproven(now) {
		h.Dead = reason.Idle
		return h
	}
	if l.reading.Load() { // what the neighbour has read may wait behind what this node is slow to take
		l.line.excuse(now)
	}
	if l.line.stuck(now) {
		h.Dead = reason.Stalled
		return h
	}
	h.Dead = l.tickPing(now, nonce)
	h.Busy = l.line.held || l.owing.ack.Load() || v.suspect || l.handed.awaited() || !v.probed.IsZero()
	return h
}

// late says whether the neighbour has taken nothing for too long.
func (l *Link) late(now time.Time) bool {
	return l.owed(now) > l.live.rto() || l.live.suspect // until the next ack or pong
}

func (l *Link) tickAck(now time.Time) {
	v := &l.live
	switch {
	case !l.owing.ack.Load():
	case v.owedAt.IsZero():
		v.owedAt = now
	case now.Sub(v.owedAt) >= limits.AckDelay-limits.LinkTick:
		l.wakeAck()
	}
}

func (l *Link) tickPing(now time.Time, nonce [8]byte) reason.Reason {
	v := &l.live
	silence := now.Sub(v.heardAt)
	switch {
	case !v.pingAt.IsZero() && silence >= limits.PingAnswer && now.Sub(v.pingAt) >= limits.PingAnswer:
		return reason.Idle
	case v.suspect && l.unread(now, limits.PingAnswer):
		return reason.Stalled // it talks, and has read nothing since
	case v.pingAt.IsZero() && silence >= v.idle:
		l.sendPing(now, nonce)
	}
	return reason.None
}

// Ping sends a ping now, unless one is out, so that the round-trip time is known.
func (l *Link) Ping(now time.Time, nonce [8]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && !l.closing && l.live.pingAt.IsZero() {
		l.sendPing(now, nonce)
	}
}

// sendPing needs mu.
func (l *Link) sendPing(now time.Time, nonce [8]byte) {
	if l.control.frames >= limits.ControlFrames {
		return
	}
	l.live.pingAt, l.live.ping = now, nonce
	l.control.buf = wire.AppendToBatch(l.control.buf, wire.AppendPing(nil, nonce))
	l.control.frames++
	l.wakeWriter()
}

// OnPing answers a ping. At most one answer waits to be written.
func (l *Link) OnPing(nonce [8]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.closing || l.live.pongOwed {
		return
	}
	l.live.pongOwed = true
	l.control.buf = wire.AppendToBatch(l.control.buf, wire.AppendPong(nil, nonce))
	l.control.frames++
	l.wakeWriter()
}

// OnPong takes the answer to a ping; not asked: nobody wanted it. cleared: the
// link was suspect until now, and is in good standing again.
func (l *Link) OnPong(now time.Time, nonce [8]byte) (asked, cleared bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &l.live
	if v.pingAt.IsZero() || v.ping != nonce {
		return false, false
	}
	v.heardOf(now)
	if l.owed(now) <= v.rto() { // else it is well, and acks nothing all the same
		cleared, v.suspect = v.suspect, false
	}
	v.sample(v.pingAt, now.Sub(v.pingAt))
	v.pinged, v.pingAt, v.probed = v.pingAt, time.Time{}, time.Time{}
	return true, cleared
}

// sample takes the round trip of what left then. What left before a long silence was
// over took no round trip: the neighbour stood still meanwhile, and the next silence is
// not to be borne for longer.
func (v *liveness) sample(left time.Time, rtt time.Duration) {
	switch {
	case left.Before(v.still):
	case v.srtt == 0:
		v.srtt = rtt
	default:
		v.srtt += (rtt - v.srtt) / 8
	}
}

// heardOf notes an answer. One that ends a suspicion which has lasted for longer than
// a slow neighbour takes ends a silence.
func (v *liveness) heardOf(now time.Time) {
	if v.suspect && now.Sub(v.doubted) > 3*v.rto() {
		v.still = now
	}
}

// OnAck takes what the neighbour says that it has taken. It is not genuine if it
// counts frames or bytes that were never sent. cleared: the link was suspect until
// now.
func (l *Link) OnAck(now time.Time, t wire.Taken) (genuine, cleared bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &l.live
	if t.Bytes > l.handed.bytes {
		return false, false
	}
	left, genuine := l.ring.ack(t.Count)
	if !genuine {
		return false, false
	}
	l.wasRead(now, t.Bytes)
	l.charge()
	// A loaded link is slower than its pings, which were sent while it was idle,
	// tell. An ack that took longer than they did says so, and one that took much
	// less that it no longer is.
	v.heardOf(now)
	if rtt := now.Sub(left) - limits.AckDelay; !left.IsZero() && (rtt > v.srtt || rtt < v.srtt/2) {
		v.sample(left, max(rtt, 0))
	}
	cleared, v.suspect = v.suspect, false
	return true, cleared
}
