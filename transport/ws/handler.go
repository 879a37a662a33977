package ws

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/peermesh/peermesh/internal/ws"
	"github.com/peermesh/peermesh/transport"
)

// Handler accepts links. Mount it at any path.
//
//   - An upgrade that offers peermesh.2 is handed to Accept. RemoteAddr of the pipe
//     proves where the peer is, unless the pipe says that it is
//     [transport.Indirect].
//   - A page whose Origin is not of this machine is answered 403 where the listener
//     is for this machine alone, unless AllowOrigins lists it.
//   - One that offers only other versions is closed with status 1002, and told
//     to Refused.
//   - One that offers none is answered 400, a request that is no upgrade 426,
//     each with a sentence for people; one whose upgrade was taken off on the way is
//     told that.
type Handler struct {
	// Accept is given each new pipe, which it owns from then on. It is called
	// on the goroutine of the request and returns at once, so that an idle
	// link keeps no goroutine. It must be set.
	Accept func(transport.Conn)
	// Refused, if set, is called for a client that speaks another version alone.
	Refused func(from net.Addr, err *transport.VersionError)
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For, -Proto,
	// -Host and -Prefix are believed. Empty: nobody's.
	TrustedProxies []netip.Prefix
	// AllowOrigins are the Origins of pages, such as "https://app.example.org" or
	// "null", that may come in by a listener for this machine alone. Pages of this
	// machine always may. See [ParseOrigin].
	AllowOrigins []string
	// Listener is the address that the server listens on. Nil: each connection that
	// came to a loopback address counts as one to a listener for this machine alone.
	Listener net.Addr
	// RefusedPage, if set, is called with the Origin of each page that is refused.
	RefusedPage func(origin string)
	// Undeclared, if set, is called with the address of each proxy that is not among
	// TrustedProxies when a client comes in through it.
	Undeclared func(proxy net.Addr)
	// Stripped, if set, is called for each request that is [Stripped].
	Stripped func(*http.Request)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case Stripped(r):
		if h.Stripped != nil {
			h.Stripped(r)
		}
		answerStripped(w)
	case !isUpgrade(r):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This is a node of a peermesh network: point a peermesh client here, as a ws:// or wss:// address.",
			http.StatusUpgradeRequired)
	case !offersFamily(r):
		http.Error(w, "This address speaks the WebSocket subprotocol "+Subprotocol+": offer it.", http.StatusBadRequest)
	default:
		h.upgrade(w, r)
	}
}

func (h *Handler) upgrade(w http.ResponseWriter, r *http.Request) {
	from := h.clientOf(r)
	if origin, refused := h.refusedOrigin(r, from); refused {
		if h.RefusedPage != nil {
			h.RefusedPage(origin)
		}
		http.Error(w, originError(origin), http.StatusForbidden)
		return
	}
	c, err := ws.Accept(w, r, ws.AcceptOptions{Subprotocols: []string{Subprotocol}})
	if err != nil {
		return // the request has been answered
	}
	if !strings.EqualFold(c.Subprotocol(), Subprotocol) {
		if h.Refused != nil {
			h.Refused(from.addr, &transport.VersionError{Ours: Subprotocol, Theirs: offered(r)})
		}
		_ = c.CloseWith(ws.StatusProtocol, refusal)
		return
	}
	if from.undeclared && h.Undeclared != nil {
		h.Undeclared(from.addr)
	}
	h.hand(&conn{Conn: c, remote: from.addr, indirect: from.indirect(r)})
}

// hand gives the pipe away. A panic of Accept does not leave it open.
func (h *Handler) hand(c transport.Conn) {
	given := false
	defer func() {
		if !given {
			_ = c.Close()
		}
	}()
	h.Accept(c)
	given = true
}

// Wants tells whether the request is an upgrade that offers a version of the
// mesh's subprotocol, or was one ([Stripped]), so that it belongs to a Handler and to nothing else on
// the same port.
func Wants(r *http.Request) bool { return isUpgrade(r) && offersFamily(r) || Stripped(r) }

func isUpgrade(r *http.Request) bool {
	return hasToken(r, "Connection", isName("upgrade")) && hasToken(r, "Upgrade", isName("websocket"))
}

func offersFamily(r *http.Request) bool {
	return hasToken(r, "Sec-WebSocket-Protocol", func(token string) bool {
		return strings.HasPrefix(strings.ToLower(token), subprotocolFamily)
	})
}

func isName(name string) func(string) bool {
	return func(token string) bool { return strings.EqualFold(token, name) }
}

// hasToken tells whether one token of a comma-separated header is so.
func hasToken(r *http.Request, header string, is func(string) bool) bool {
	for _, line := range r.Header.Values(header) {
		for token := range strings.SplitSeq(line, ",") {
			if is(strings.TrimSpace(token)) {
				return true
			}
		}
	}
	return false
}
