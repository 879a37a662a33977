package arch

// room is a package, or several whose paths begin alike, with what it may
// import of this module and why no more than that.
type room struct {
	path   string   // below the module; "x/*" is every package below x
	may    []string // the same form
	reason string
}

// The house, from the ground up. An arrow points from a package to what it
// imports, and never up:
//
//	wire   routing   reason   limits        leaves
//	   \      |       /        /
//	    identity → session → link → engine  pure
//	                                  |
//	       transport ← ws, webrtc, mem → node
//	                                      |
//	                   dgram · stream · topic · internal/admin
//	                                      |
//	                   gateway
//	                                      |
//	                   testnet · cmd · examples
//
// Packages that are planned and not there yet have their row already.
var house = []room{
	{"internal/reason", nil, "a leaf: every layer names its causes by it"},
	{"internal/limits", nil, "a leaf: every layer is bounded by it"},
	{"internal/secret", nil, "a leaf: whoever holds a URL of the user's holds it masked"},
	{"internal/hint", nil, "a leaf: what a reason means is said in one place, whoever asks"},
	{"internal/budget", []string{"internal/limits"}, "what is held for others is counted in one place, by whoever holds it"},
	{"internal/heaptest", nil, "a leaf: what is filled is measured from outside"},
	{"internal/wholefile", nil, "a leaf: a file is whole whatever is in it"},
	{"internal/guard", nil, "a leaf: whatever starts a goroutine runs it under a guard"},
	{"internal/wire", nil, "a leaf: the bytes mean the same whatever is built on them; it does not know routing"},
	{"internal/wire/vectors", nil, "golden vectors are read by other implementations: nothing of this one may colour them"},
	{"routing", nil, "a leaf: which way is asked of IDs alone; it does not know wire"},

	{"internal/line", nil, "a leaf: what a line does to packets does not depend on what they carry"},
	{"internal/tcpsim", []string{"internal/line"}, "a connection over lines, whatever it carries"},

	{"internal/identity", under("internal/wholefile"), "keys and their proofs come before everything that is proved with them"},
	{"internal/session", under("internal/identity", "internal/budget"), "what two ends owe each other does not depend on the way between them"},
	{"internal/link", under("internal/identity", "internal/session", "internal/budget"), "what two neighbours owe each other does not depend on where frames go"},
	{"internal/signal", []string{"internal/wire", "internal/reason", "internal/limits"}, "which offer counts is decided without a carrier: it knows names and times alone"},
	{"internal/engine", under("internal/identity", "internal/session", "internal/link"), "it decides and does no IO, so that a simulation can run it"},

	{"transport", []string{"internal/limits", "internal/secret"}, "the contract of carriers: they know bytes, not frames"},
	{"internal/httpbound", []string{"internal/limits", "internal/guard"}, "bounds of a web server, whatever it serves"},
	{"internal/netwatch", []string{"internal/limits"}, "what becomes of the machine's network does not depend on who wants to know"},
	{"transport/transporttest", carrier(), "the suite tests the contract and nothing behind it"},
	{"internal/proxy", []string{"transport", "internal/limits"}, "a way through a proxy is a connection, whatever goes over it"},
	{"internal/proxy/proxytest", nil, "a proxy for tests, which is a program of somebody else's"},
	{"internal/proxyheader", []string{"internal/limits"}, "what a proxy says before a connection begins does not depend on what follows"},
	{"internal/ws", carrier("internal/proxy"), "below the carrier that uses it"},
	{"transport/ws", carrier("internal/ws", "internal/httpbound", "internal/proxyheader"), carriersReason},
	{"transport/mem", carrier("internal/ws"), carriersReason},
	{"transport/webrtc", carrier(), carriersReason},

	{"node", under("internal/identity", "internal/budget", "internal/session", "internal/link", "internal/engine", "internal/signal",
		"internal/httpbound", "internal/netwatch", "internal/wholefile", "internal/proxy", "internal/proxyheader", "transport", "transport/ws", "transport/mem", "transport/webrtc"),
		"it puts the parts together and does not know what is built on it; gateways are mounted by whoever starts a node"},

	{"dgram", onNode(), "a view of a node, as any program has it"},
	{"stream", onNode("dgram"), "reliable bytes are built on datagrams"},
	{"topic", onNode(), "a view of a node, as any program has it"},
	{"internal/admin", onNode("internal/httpbound", "internal/wholefile"), "it shows what a node tells"},
	{"gateway", onNode("internal/ws", "dgram", "stream", "topic"), "it serves others' clients by means of a node"},
	{"gateway/*", onNode("internal/ws", "dgram", "stream", "topic", "gateway"), "one foreign protocol each; none knows another"},

	{"testnet", under("internal/line", "internal/tcpsim", "internal/identity", "internal/budget", "internal/session", "internal/link", "internal/engine",
		"transport", "transport/*", "node", "dgram", "stream", "topic", "gateway", "gateway/*"), "whole meshes in one process"},
	{"cmd/*", onNode("transport/ws", "internal/identity", "internal/wholefile", "internal/admin", "internal/ws", "dgram", "stream", "topic", "gateway", "gateway/*", "testnet"),
		"a user of the library as any other: no logic of its own"},
	{"examples/*", []string{"routing", "transport", "transport/*", "node", "dgram", "stream", "topic", "gateway", "gateway/*", "testnet"},
		"an example shows what a program outside of this module can do: only public packages"},
	{"examples", nil, "it holds tests alone"},
	{"internal/hostile", codecs(), "no rule of ours may stand between a test and the bytes that it wants to send: codecs alone"},
	{"internal/natlab", nil, "it holds tests alone: it runs the built program"},
	{"internal/browsertest", nil, "it holds tests alone: what a page needs is its own"},
	{"internal/arch", nil, "it looks at packages and uses none"},
}

const carriersReason = "carriers know bytes, not frames: nothing of links, sessions or routing"

// under returns the leaves and what is given: what the pure packages stand on.
func under(more ...string) []string {
	return append([]string{"internal/wire", "routing", "internal/reason", "internal/limits", "internal/guard", "internal/secret", "internal/hint"}, more...)
}

// codecs returns what turns bytes into fields and back.
func codecs() []string {
	return []string{"internal/wire", "internal/identity", "internal/reason", "internal/limits"}
}

// carrier returns what a carrier stands on.
func carrier(more ...string) []string {
	return append([]string{"transport", "internal/limits", "internal/guard", "internal/secret", "internal/hint"}, more...)
}

// onNode returns what a user of the node stands on.
func onNode(more ...string) []string {
	return append([]string{"node", "routing", "transport", "internal/reason", "internal/limits", "internal/guard", "internal/secret", "internal/hint"}, more...)
}

// owner is the one place that may import a library.
type owner struct {
	library string // what the import path begins with
	place   string // a package or one file of it, below the module; "x/*" as above
	reason  string
}

var owners = []owner{
	{"nhooyr.io/websocket", "internal/ws", "the library is frozen and lives on under another path: the swap has to be one line"},
	{"github.com/coder/websocket", "internal/ws", "see nhooyr.io/websocket"},
	{"github.com/libp2p/", "routing/kbucket.go", "the table is ours, its buckets are theirs; one file adapts them"},
	{"github.com/pion/", "transport/webrtc", "a node without WebRTC has to build without it"},
	{"golang.org/x/net/", "internal/proxy", "which proxy a URL goes by, and SOCKS5, are known in one place"},
	{"github.com/pires/go-proxyproto", "internal/proxyheader", "the header is read in one place, before anything else looks at the connection"},
	{"github.com/flynn/noise", "internal/session", "there is one implementation of the handshake, for links and for sessions"},
	{"github.com/gofrs/flock", "internal/identity", "the state directory is locked in one place"},
	{"github.com/prometheus/", "internal/admin", "who embeds a node has metrics of his own, or none"},
	{"github.com/urfave/cli", "cmd/*", "a library does not read command lines"},
	{"github.com/pelletier/go-toml", "cmd/peermesh/configfile.go", "a library does not read config files; the parser with positions is not promised to stay as it is"},
}

// stranger is the package that does without the owners of these libraries.
const stranger = "internal/hostile"

var strangers = []string{"nhooyr.io/websocket", "github.com/flynn/noise"}

// shown are libraries that programs use over a mesh, and examples therefore too,
// whoever else owns them.
var shown = owner{"github.com/pion/dtls/", "examples/*", "it runs on a net.PacketConn, as dgram has one"}

// pure are the packages that do no IO and know no time of their own: now and
// randomness come in as arguments.
var pure = []string{
	"internal/reason", "internal/limits", "internal/secret", "internal/hint", "internal/budget", "internal/wire", "routing",
	"internal/identity", "internal/session", "internal/link", "internal/engine", "internal/signal", "internal/line", "internal/tcpsim",
}

// impureFiles are the files of pure packages that may do what the others may
// not, by the pattern of their path.
var impureFiles = []struct{ pattern, reason string }{
	{"internal/link/shell*.go", "the goroutines, timers and carrier around a link's state"},
	{"internal/identity/key*.go", "the key file, and the lock beside it"},
}

// outside are imports that reach out of a pure package.
var outside = map[string]string{
	"net": "IO", "net/http": "IO", "os": "IO", "os/exec": "IO", "os/signal": "IO", "syscall": "IO",
	"crypto/rand": "randomness that no test can repeat; take an io.Reader",
}

// simulation are the files of the network in virtual time.
const simulation = "testnet/sim*.go"

// deciders is what a simulation would need to choose ways by itself.
var deciders = []string{
	"routing.Table", "routing.NewTable", "routing.Snapshot", "routing.NewSnapshot", "routing.Filler",
	"internal/engine.NewSnapshot", "internal/engine.SnapshotConfig", "internal/engine.NewNeighbours",
}

// clock are the functions of package time that look at the clock or wait for it.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// ownRandomness are the names of math/rand and math/rand/v2 that do not use
// the process's one generator.
var ownRandomness = []string{"New", "NewSource", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "Source64", "PCG", "ChaCha8", "Zipf"}

// heavy are packages that a program must not get with the library.
var heavy = map[string]string{
	"testing":                  "it registers flags and belongs to tests",
	"github.com/urfave/cli/v2": "a library does not read command lines",
	"github.com/prometheus/client_golang/prometheus": "who embeds a node has metrics of his own, or none",
	"net/http/pprof": "importing it opens a profile on every default server",
}
