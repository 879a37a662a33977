package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// value is what a flag holds, with a reader of its own: a text that it cannot
// read is refused in words that say what it accepts.
type value[T any] struct {
	v    T
	text string // as given; shown as the default before anything is given
	bare string // what a flag without a value stands for; empty: it needs one
	read func(string) (T, error)
	few  []string // all values, where there are a few
}

// choices are all values, where there are a few.
func (v *value[T]) choices() []string { return v.few }

// Set implements cli.Generic.
func (v *value[T]) Set(text string) error {
	got, err := v.read(text)
	if err != nil {
		return err
	}
	v.v, v.text = got, text
	return nil
}

// String implements cli.Generic.
func (v *value[T]) String() string {
	if v == nil {
		return ""
	}
	return v.text
}

func (v *value[T]) whenBare() string { return v.bare }

// bareValue is what a flag stands for when it is given without a value.
func bareValue(f cli.Flag) (text string, may bool) {
	g, ok := f.(*cli.GenericFlag)
	if !ok {
		return "", false
	}
	if v, ok := g.Value.(interface{ whenBare() string }); ok {
		text = v.whenBare()
	}
	return text, text != ""
}

// get returns what the flag of that name holds; T is what its value was made with.
func get[T any](c *cli.Context, name string) T {
	return c.Generic(name).(*value[T]).v
}

// number reads whole numbers from low to high. unset is the value of a flag
// that nobody gave; zero and less mean something that the help tells in words.
func number(unset, low, high int) *value[int] {
	v := &value[int]{v: unset}
	if unset > 0 {
		v.text = strconv.Itoa(unset)
	}
	v.read = func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if errors.Is(err, strconv.ErrRange) || err == nil && (n < low || n > high) {
			return 0, fmt.Errorf("out of range: want a whole number from %d to %d", low, high)
		}
		if err != nil {
			return 0, fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		return n, nil
	}
	return v
}

// duration reads times above zero, such as 500ms, 10s or 2m.
func duration(unset time.Duration) *value[time.Duration] {
	return &value[time.Duration]{v: unset, text: unset.String(), read: func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return 0, errors.New("want a time above zero with its unit, such as 500ms, 10s or 2m")
		}
		return d, nil
	}}
}

// orZero also reads 0.
func orZero(v *value[time.Duration]) *value[time.Duration] {
	read := v.read
	v.read = func(text string) (time.Duration, error) {
		if d, err := time.ParseDuration(text); err == nil && d == 0 {
			return 0, nil
		}
		return read(text)
	}
	return v
}

// choice reads one of a few words; the first is the default.
func choice(words ...string) *value[string] {
	return &value[string]{v: words[0], text: words[0], few: words, read: func(text string) (string, error) {
		for _, w := range words {
			if strings.EqualFold(text, w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("want one of %s", strings.Join(words, ", "))
	}}
}

// webrtcUse reads a node.WebRTCUse; the default depends on how the program was built.
func webrtcUse() *value[string] {
	if node.WebRTCSupported {
		return choice(string(node.WebRTCOn), string(node.WebRTCWhenNeeded), string(node.WebRTCOff))
	}
	off := choice(string(node.WebRTCOff))
	read := off.read
	off.read = func(text string) (string, error) {
		use, err := read(text)
		if err != nil {
			err = fmt.Errorf("want %s: this program was built without WebRTC (tag nowebrtc)", node.WebRTCOff)
		}
		return use, err
	}
	return off
}

// envPrefix begins the variables of the environment that are settings.
const envPrefix = "PEERMESH_"

// envOf returns the environment's name for a flag.
func envOf(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func valueFlag(name, usage string, v cli.Generic, aliases ...string) *cli.GenericFlag {
	return &cli.GenericFlag{Name: name, Aliases: aliases, Usage: usage, Value: v, EnvVars: []string{envOf(name)}}
}

func textFlag(name, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Usage: usage, EnvVars: []string{envOf(name)}}
}

func boolFlag(name, usage string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Usage: usage, EnvVars: []string{envOf(name)}, DisableDefaultText: true}
}

// listFlag may be given several times; in the environment the values are
// separated by blanks, and so they may be in one flag. Commas separate
// nothing: a URL may hold them.
func listFlag(name, usage string, aliases ...string) *cli.StringSliceFlag {
	return &cli.StringSliceFlag{Name: name, Aliases: aliases, Usage: usage, EnvVars: []string{envOf(name)}}
}

// list returns the values of a listFlag.
func list(c *cli.Context, name string) []string {
	var all []string
	for _, text := range c.StringSlice(name) {
		all = append(all, strings.Fields(text)...)
	}
	return all
}

// prefixes returns the values of a listFlag of networks. A lone address is a
// network of one.
func prefixes(c *cli.Context, name string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	var mistakes []error
	for _, text := range list(c, name) {
		p, err := parsePrefix(text)
		if err != nil {
			mistakes = append(mistakes, &usageError{text: fmt.Sprintf("invalid value %q for --%s: want a network such as 10.0.0.0/8 or an address", secret.URL(text), name)})
			continue
		}
		all = append(all, p)
	}
	return all, errors.Join(mistakes...)
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

const (
	maxPort  = 1<<16 - 1 // of TCP, and of a node
	maxCount = 1 << 30   // messages or pings: far above what anybody waits for, below what overflows
)

// meshFlags are those of every command that starts a node.
func meshFlags() []cli.Flag {
	return []cli.Flag{
		listFlag("bootstrap", "`URL` of a running node, ws://host:port; #ID at its end pins who must answer; may be repeated", "b"),
		textFlag("state", "`DIR` that keeps the identity, and with it the ID, of one process at a time; without it each start has a fresh one"),
		textFlag("network-key", "`FILE` with the key of a closed mesh: 64 hex digits, or 32 bytes"),
		textFlag("tls-ca", "PEM `FILE` with further roots to trust for wss URLs"),
		textFlag("proxy", "`URL` of a forward proxy to dial by: http, https, socks5 or socks5h://user:password@host:port; off: none; without it HTTPS_PROXY, HTTP_PROXY and ALL_PROXY count; NO_PROXY always does"),
		valueFlag("webrtc", "make links over WebRTC, `WHEN`: on, only-when-needed or off", webrtcUse()),
		boolFlag("webrtc-hide-private", "tell peers no private addresses of this machine for links over WebRTC"),
		listFlag("ice", "`SERVER` that helps to find a way between NATs, stun:host:port or turn:user:password@host:port, also turns: and ?transport=tcp; relays help without it; may be repeated"),
		valueFlag("log-level", "least `LEVEL` to log on standard error: debug, info, warn or error", choice("error", "warn", "info", "debug")),
		valueFlag("log-format", "`FORM` of the log: text or json", choice("text", "json")),
		boolFlag("json", "print JSON, one object on each line"),
	}
}

// nodeFlags are those of a node that runs until it is told to stop.
func nodeFlags() []cli.Flag {
	port := valueFlag("port", "TCP `PORT` to serve on; 0 takes a free one; without it nobody can dial this node", number(-1, 0, maxPort), "p")
	port.EnvVars = append(port.EnvVars, "PORT")
	if text, found := os.LookupEnv(port.EnvVars[0]); found && text == "" {
		slices.Reverse(port.EnvVars) // an empty variable is none, but the parser takes the first that is there
	}
	return append([]cli.Flag{
		port,
		textFlag("host", "`ADDRESS` to serve on; without it all of this machine's"),
		listFlag("public-url", "`URL` that others can dial; without it those of the addresses served on; may be repeated"),
		textFlag("cert", "PEM `FILE` with the certificate: serve wss"),
		textFlag("key", "PEM `FILE` with the certificate's key"),
		listFlag("trusted-proxy", "`CIDR` of proxies whose X-Forwarded-For and PROXY protocol header are believed; may be repeated"),
		listFlag("allow-origin", "`ORIGIN` of web pages, https://app.example.org or null, that may link though --host is a loopback address; may be repeated"),
		valueFlag("max-peers", "most links with relays, `N`; 0: 24, or 200 with a port", number(0, 0, limits.MaxLinks)),
		valueFlag("max-leaves", "most links with leaves, `N`; 0: none, or 256 with a port", number(0, 0, limits.MaxLinks)),
		valueFlag("max-memory", "most memory for links and for what waits, `BYTES` such as 64MiB; 0: 32 MiB and what the links cost, at most a quarter of the machine's", memorySize()),
		valueFlag("webrtc-port", "UDP `PORT` for all links over WebRTC, which also tells peers behind NATs their public address; 0 takes a free one; without it each link has its own", number(-1, 0, maxPort)),
		valueFlag("max-webrtc", "most links over WebRTC, `N`; 0: 32", number(0, 0, limits.MaxLinks)),
		textFlag("port-file", "`FILE` that holds the node's URLs, one on each line, while it serves; for scripts, with --port 0"),
		boolFlag("leaf", "never forward for others"),
		valueFlag("drain", "`TIME` to serve on after SIGTERM, with 503 at /healthz, while peers look for other nodes; 0: none", orZero(duration(2*time.Second))),
		valueFlag("admin", "loopback `ADDRESS` of the admin page, which status, peers and top read; port 0, or one that is taken, stands for a free one; off: none", adminAddress()),
		textFlag("config", "TOML `FILE` with any of these settings; without it the user's peermesh/config.toml if there is one"),
	}, meshFlags()...)
}

// onFlag is the port of another node that a command sends to, which listen --on
// gives to one of its own.
func onFlag() cli.Flag {
	return valueFlag("on", "`PORT` of the node that somebody listens on there", number(0, 0, maxPort))
}

// actFlags are those of a command that joins a mesh, does one thing and leaves.
func actFlags(own ...cli.Flag) []cli.Flag {
	return append(append(own, valueFlag("timeout", "`TIME` to join the mesh and get the answer", duration(10*time.Second))), meshFlags()...)
}
