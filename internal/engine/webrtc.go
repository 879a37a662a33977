package engine

import (
	"slices"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// WebRTCUse says what a node makes links over WebRTC for.
type WebRTCUse uint8

// The uses.
const (
	WebRTCOff        WebRTCUse = iota // nothing
	WebRTCWhenNeeded                  // what forwarding needs in order to arrive, and links that the user asks for
	WebRTCOn                          // any link of the table, and pairs that talk much
)

// kindWebRTC is what Carrier.Kind says of a link over WebRTC.
const kindWebRTC = "webrtc"

const webRTCScheme = kindWebRTC + ":"

// WebRTCURL is the URL by which a node is dialled over WebRTC: signalled through
// the mesh. It stands behind the URLs of a contact and is never sent.
func WebRTCURL(id routing.ID) string { return webRTCScheme + id.String() }

// ParseWebRTCURL returns whom a URL of the form of WebRTCURL leads to; ok is
// false for any other.
func ParseWebRTCURL(url string) (id routing.ID, ok bool) {
	digits, ok := strings.CutPrefix(url, webRTCScheme)
	if !ok {
		return routing.ID{}, false
	}
	id, err := routing.ParseID(digits)
	return id, err == nil && WebRTCURL(id) == url
}

func isWebRTC(url string) bool { return strings.HasPrefix(url, webRTCScheme) }

// speaksWebRTC says so of the signer of a contact record.
func speaksWebRTC(rec *wire.Record) bool {
	c, err := wire.ParseContact(rec.Body)
	return err == nil && c.WebRTC
}

// carried are the links over WebRTC that are about to be.
type carried struct {
	dials, direct int // under way: of the table, and direct ones
	offers        []offer
}

// offer is one of a peer's that was told to come.
type offer struct {
	id     routing.ID
	direct bool
	until  time.Duration // by Engine.clock
}

func (c *carried) count(k *known, by int) {
	if k.direct {
		c.direct += by
	} else {
		c.dials += by
	}
}

// came notes that an offer has become a link.
func (c *carried) came(n *neighbour) {
	if n.webRTC && !n.link.Outbound {
		c.forget(func(o offer) bool { return o.id == n.ID })
	}
}

func (c *carried) forget(which func(offer) bool) {
	if len(c.offers) > 0 {
		c.offers = slices.DeleteFunc(c.offers, which)
	}
}

// offered is how many offers of others than id are about to be links.
func (c *carried) offered(clock time.Duration, direct bool, id routing.ID) (count int) {
	c.forget(func(o offer) bool { return clock >= o.until })
	for _, o := range c.offers {
		if o.direct == direct && o.id != id {
			count++
		}
	}
	return count
}

// capWebRTC is how many links over WebRTC there may be, and how many of them
// links of the table: the others are kept for pairs, of a low cap half.
func (e *Engine) capWebRTC() (all, table int) {
	all = e.cfg.MaxWebRTC
	if all <= 0 {
		all = limits.WebRTCLinks
	}
	return all, all - min(limits.DirectLinks, all/2)
}

// spareOfCap is what the cap keeps for links that somebody needs.
func spareOfCap(table int) int { return min(limits.SpareLinks, table/4) }

// mayCarry says whether one more link over WebRTC may be dialled: to k, or with
// nil to anybody for the table.
func (e *Engine) mayCarry(now time.Time, k *known, need bool) bool {
	if e.cfg.WebRTC == WebRTCOff {
		return false
	}
	id := routing.ID{}
	if k != nil {
		id = k.ID
	}
	switch {
	case k != nil && k.direct:
		return e.roomOverall(now, id) > 0
	case !e.pace.open(e.clock(now), e.carried.dials):
		return false
	case k != nil && k.trial, !need && e.cfg.WebRTC != WebRTCOn:
		return false // a trial costs a peer connection, and most come to nothing
	case !need:
		_, table := e.capWebRTC()
		return e.roomOfTable(now, id) > spareOfCap(table)
	}
	return e.roomOfTable(now, id) > 0 || e.spareCarried(now) != nil
}

// roomOverall is how many more links over WebRTC the cap allows, what is under
// way with others than id counted.
func (e *Engine) roomOverall(now time.Time, id routing.ID) int {
	all, _ := e.capWebRTC()
	c, clock := &e.carried, e.clock(now)
	return all - e.links.webRTC - e.links.direct - c.dials - c.direct - c.offered(clock, false, id) - c.offered(clock, true, id)
}

// roomOfTable is the same of links of the table.
func (e *Engine) roomOfTable(now time.Time, id routing.ID) int {
	_, table := e.capWebRTC()
	return min(table-e.links.webRTC-e.carried.dials-e.carried.offered(e.clock(now), false, id), e.roomOverall(now, id))
}

// carries says whether a link of the table that is up over WebRTC has a place
// under the cap, and makes one for a link that either end needs.
func (e *Engine) carries(n *neighbour, now time.Time) bool {
	all, table := e.capWebRTC()
	room := min(table-e.links.webRTC, all-e.links.webRTC-e.links.direct)
	need := n.wanted || n.from.Need || e.filler.Need(e.places(), n.Key) > routing.NeedSpread
	if n.Leaf || !need { // a leaf always says that it needs one, and any home will do
		return room > spareOfCap(table)
	}
	if room > 0 {
		return true
	}
	old := e.spareCarried(now)
	if old != nil {
		e.endFor(old, now)
	}
	return old != nil
}

// spareCarried is the link over WebRTC missed least of those that neither end
// needs and that are not proven; nil: there is none.
func (e *Engine) spareCarried(now time.Time) *neighbour {
	if e.links.webRTC == 0 {
		return nil
	}
	return e.spareOf(func(n *neighbour) bool { return n.webRTC && !e.proven(n, now) })
}

// dialled is what people are told of a URL that was dialled: of a node that was
// asked, not dialled, nothing.
func dialled(url secret.URL) secret.URL {
	if isWebRTC(url.Reveal()) {
		return ""
	}
	return url
}
