package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Probe asks whether the neighbour is still there, as the network below may be
// another one now: a link that says nothing for limits.ProbeAnswer or two is dead. A
// ping that is out already is good for it.
func (l *Link) Probe(now time.Time, nonce [8]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.closing {
		return
	}
	l.live.probed = now
	if l.live.pingAt.IsZero() {
		l.sendPing(now, nonce)
	}
	l.busy()
}

// unproven says that a probe was in vain. What is heard in its first half may have
// come before the change, and waited to be read.
func (v *liveness) unproven(now time.Time) bool {
	if v.probed.IsZero() {
		return false
	}
	patience := min(max(v.rto(), limits.ProbeAnswer), 2*limits.ProbeAnswer)
	if v.heardAt.Sub(v.probed) >= patience/2 {
		v.probed = time.Time{}
	}
	return !v.probed.IsZero() && now.Sub(v.probed) >= patience
}
