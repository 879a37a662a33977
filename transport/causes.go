package transport

import "time"

// Why a dial ended, in a word (DialError.Cause). Programs choose what to advise by it.
const (
	CauseSyntax       = "bad-url"            // the URL is none
	CauseZone         = "bad-zone"           // the zone of an IPv6 address is not written as %25
	CauseNoName       = "no-name"            // the host's name has no address
	CauseNobody       = "nobody-listens"     // the connection was refused
	CauseUnreachable  = "unreachable"        // there is no way to the address
	CauseSilent       = "silent"             // what accepts connections says nothing
	CauseHungUp       = "hung-up"            // the server closed the connection without an answer
	CauseNoTLS        = "no-tls"             // the server does not speak TLS
	CauseNotHTTP      = "not-http"           // the server does not speak HTTP, or wants TLS
	CauseAuthority    = "untrusted"          // the certificate is of an unknown authority
	CauseName         = "other-name"         // the certificate is for another name
	CauseExpired      = "expired"            // the certificate has ended, or this clock is ahead
	CauseClock        = "wrong-clock"        // this clock is wrong
	CauseRedirect     = "redirect"           // the server names another URL
	CauseUnauthorized = "unauthorized"       // 401
	CauseForbidden    = "forbidden"          // 403
	CauseNotFound     = "not-found"          // 404
	CauseProxyLogin   = "proxy-unauthorized" // 407
	CauseBadRequest   = "bad-request"        // 400
	CauseUpgrade      = "upgrade-taken"      // 426: a proxy took the Upgrade header off
	CauseProxyHeader  = "proxy-header"       // the node does not trust the proxy before it
	CauseGateway      = "bad-gateway"        // 502, 504: a proxy that does not reach its node
	CauseBusy         = "busy"               // 429, 503
	CauseNoUpgrade    = "no-upgrade"         // another answer of a web server
	CauseProtocol     = "other-protocol"     // WebSocket, but not this protocol
)

// Clocked is a pipe whose other end, or a proxy on the way, told its time when the
// pipe was opened. It is evidence and no proof: nobody signed it.
type Clocked interface {
	// ClockBehind is how far this machine's clock is behind the other one, below
	// zero ahead of it, to about a second; false: no time was told.
	ClockBehind() (behind time.Duration, ok bool)
}
