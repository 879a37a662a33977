package ws

import (
	"io"
	"net/http"

	"github.com/peermesh/peermesh/internal/proxyheader"
	"github.com/peermesh/peermesh/internal/ws"
)

// PassUpgrades says what to do about a proxy that takes Upgrade headers off.
const PassUpgrades = ws.PassUpgrades

// Stripped tells whether a request was an upgrade that offers a version of the mesh's
// subprotocol before somebody on the way took the Upgrade or the Connection header off,
// as proxies do that do not know WebSocket.
func Stripped(r *http.Request) bool {
	return !isUpgrade(r) && offersFamily(r)
}

// answerStripped says so.
func answerStripped(w http.ResponseWriter) {
	http.Error(w, "A proxy on the way here took the Upgrade header off this request; "+PassUpgrades+".", http.StatusUpgradeRequired)
}

// RefuseProxyHeader answers a request that came behind a PROXY protocol header of a
// proxy that is not a trusted one, and tells whether it did.
func RefuseProxyHeader(w http.ResponseWriter, r *http.Request) bool {
	c := proxyheader.Of(r.Context())
	if c == nil || !c.Undeclared() {
		return false
	}
	h := w.Header()
	h.Set(ws.RefusedHeader, ws.RefusedProxyHeader)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Connection", "close")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, "A proxy in front of this node sends PROXY protocol headers, and the node does not trust it: its owner gives --trusted-proxy, or takes them off.\n")
	return true
}
