package hint

// Join says what to do about a URL that does not lead into the mesh: by the reason
// why, which is the name of a reason.Reason or one of transport's Cause constants,
// and where that is not known by the stage.
func Join(stage, reason string) string {
	if text, ok := byReason[reason]; ok {
		return text
	}
	if text, ok := byStage[stage]; ok {
		return text
	}
	return "is a node running there? peermesh --port 8080 starts one and prints its URL"
}

// SetClock is what to do about a clock that is wrong.
const SetClock = "set this machine's clock: timedatectl set-ntp true, or chronyd; more than 5 minutes apart nodes refuse each other"

// For a node that has no place for this one.
const (
	noPlace = "the node there has no place for another link: give another bootstrap URL beside it; whoever runs it gives more with --max-peers and --max-leaves"
	noShare = "the places that are left there are not for more nodes of one address group: give another bootstrap URL beside it; " +
		"whoever runs it gives more with --max-peers, and tells the clients of a proxy apart with --trusted-proxy"
)

var byReason = map[string]string{
	// Of a dial, see transport.
	"bad-zone":           "a zone in a URL is written with %25: ws://[fe80::1%25eth0]:8080",
	"no-name":            "check the host's name in the URL, and this machine's DNS",
	"nobody-listens":     "is a node running there? peermesh --port 8080 starts one and prints its URL",
	"unreachable":        "check the address and this machine's network",
	"silent":             "check host and port, and the firewalls between",
	"hung-up":            "what answers there may have all its connections taken: try again later, or another bootstrap URL",
	"no-tls":             "a node without --cert is ws://, not wss://",
	"not-http":           "something answers there, but no web server: check the port, and whether it is ws or wss",
	"untrusted":          "give the root of the server's certificate with --tls-ca, if it is yours",
	"other-name":         "dial a name that stands in the server's certificate",
	"expired":            "whoever runs the server renews its certificate; if it is good, set this machine's clock",
	"wrong-clock":        SetClock,
	"redirect":           "give the URL that the server names as the bootstrap URL",
	"unauthorized":       "ask whoever runs the server for a user and password, or a token, and write it into the URL",
	"forbidden":          "ask whoever runs the server to let this user or address in",
	"not-found":          "check the path of the URL: behind a proxy a node may be at a path such as /mesh/",
	"proxy-unauthorized": "give the proxy's user and password",
	"bad-request":        "something answers there, and does not take the request: check the path, and whether it is ws or wss",
	"upgrade-taken":      "whoever runs the proxy before the node has it pass WebSocket upgrades",
	"proxy-header":       "whoever runs the node names its proxy with --trusted-proxy, or has the proxy send no PROXY protocol header",
	"bad-gateway":        "start the node behind the proxy, or set the proxy right: the way to the proxy works",
	"busy":               "try again later, or another bootstrap URL",
	"no-upgrade":         "something answers there, but no peermesh node: check host, port and path",
	"other-protocol":     "something answers there, but no peermesh node of this protocol version",

	// Of a link.
	"own-id":           "that URL leads to this very node: give the URL of another",
	"wrong-id":         "the ID behind # has to be that of the node there: ask whoever runs it, or leave it out",
	"wrong-network":    "both sides need the same --network-key, or none",
	"handshake-failed": "both sides need the same --network-key, or none",
	"bad-version":      "bring both sides to the same version of peermesh",
	"bad-certificate":  "the clock of one of the two sides is wrong, or what answers is not who it says",
	"bad-record":       "the clock of one of the two sides is wrong",
	"link-limit":       noPlace,
	"group-limit":      noShare,
	"banned":           "the node there has sent this one away for a while: whoever runs it knows why",
	"disconnected":     "the node there has sent this one away for a while: whoever runs it knows why",
	"identity-in-use":  "another process runs with the same --state: stop one of the two",
	"replaced":         "another process runs with the same --state: stop one of the two",
	"leaving":          "the node there is about to end: give another bootstrap URL beside it",
	"rate-limited":     "the node there is busy: try again later, or another bootstrap URL",
	"no-answer":        "the node there took the link and says nothing: it hangs, or a proxy between does not pass on what comes back",
	"idle":             "the node there took the link and says nothing: it hangs, or a proxy between does not pass on what comes back",
	"auth-timeout":     "what answers there took the connection and says nothing: it hangs, or it is no peermesh node",
}

var byStage = map[string]string{
	"parse":       "a bootstrap URL looks like ws://host:port or wss://host/path",
	"resolve":     "check the host's name in the URL, and this machine's DNS",
	"proxy":       "the way there goes by a forward proxy, that of --proxy or of HTTPS_PROXY (wss), HTTP_PROXY (ws) or ALL_PROXY; NO_PROXY names hosts to dial directly, --proxy off uses none",
	"tls":         "for a certificate of your own give its root with --tls-ca; a node without --cert is ws://, not wss://",
	"upgrade":     "something answers there, but no peermesh node: check host, port and path",
	"subprotocol": "something answers there, but no peermesh node of this protocol version",
	"handshake":   "both sides need the same --network-key, or none; the ID behind # must be that node's",
	"link":        "the link came up and ended: the log of the node there may say why",
	"attach":      "the node there runs, and does not do its work for this one: give another bootstrap URL beside it",
	"admission":   "this node has no place for another link: see --max-peers",
}
