package engine

import (
	"strings"

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
