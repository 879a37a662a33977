package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
	"github.com/peermesh/peermesh/transport/ws"
)

// maxAgent is the longest Agent, in bytes.
const maxAgent = 64

// plan is what a Config comes to once it is checked.
type plan struct {
	dialers dialers
	targets []engine.TargetSpec
	files   *files
}

func (c Config) withDefaults() Config {
	if c.MaxPeers == 0 {
		c.MaxPeers = limits.RelayLinks
		if c.Listen != "" {
			c.MaxPeers = limits.RelayLinksPort
		}
	}
	if c.MaxLeaves == 0 && c.Listen != "" {
		c.MaxLeaves = limits.LeafLinksPort
	}
	if c.WebRTC == "" {
		c.WebRTC = WebRTCOff
		if webrtc.Supported {
			c.WebRTC = WebRTCOn
		}
	}
	if c.MaxWebRTC == 0 {
		c.MaxWebRTC = limits.WebRTCLinks
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = c.defaultMemory(machineMemory())
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Check finds all mistakes of a config at once, joined, as [New] tells them: values
// that are none, values that can have no effect beside others, and files or a
// state directory that cannot be used. It reads, and starts and makes nothing.
func (c Config) Check() error {
	_, _, err := c.complete()
	return err
}

// complete returns the config with its defaults and what it comes to, or all
// mistakes of it.
func (c Config) complete() (Config, *plan, error) {
	together := c.checkTogether()
	c = c.withDefaults()
	p, err := c.check()
	if err := errors.Join(err, together); err != nil {
		return c, nil, err
	}
	return c, p, nil
}

// check finds the mistakes of single fields, and files that cannot be used.
func (c *Config) check() (*plan, error) {
	p := &plan{dialers: make(dialers), files: new(files)}
	errs := []error{
		c.checkNumbers(), c.checkListen(), c.checkOrigins(), c.checkPublicURLs(), c.checkTLS(p), c.checkNetworkKey(p), c.checkWebRTC(), c.checkState(),
	}
	for scheme, d := range c.Dialers {
		p.dialers[scheme] = d
	}
	targets, err := parseTargets(c.Bootstrap, p.dialers)
	p.targets = targets
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return p, nil
}

func (c *Config) checkNumbers() error {
	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf("config: "+format, args...))
		}
	}
	bad(c.MaxPeers < 1 || c.MaxPeers > limits.MaxLinks, "MaxPeers is %d: give 1 to %d, or 0 for the default", c.MaxPeers, limits.MaxLinks)
	bad(c.MaxLeaves < 0 || c.MaxLeaves > limits.MaxLinks, "MaxLeaves is %d: give 0 to %d", c.MaxLeaves, limits.MaxLinks)
	bad(c.MaxMemory < limits.MemoryMin, "MaxMemory is %d: give at least %d, or 0 for the default", c.MaxMemory, limits.MemoryMin)
	bad(c.Homes < 0 || c.Homes > limits.Homes, "Homes is %d: give 1 to %d, or 0 for the default", c.Homes, limits.Homes)
	bad(c.NetworkKey != nil && len(c.NetworkKey) != networkKeyBytes, "NetworkKey has %d bytes: give 32", len(c.NetworkKey))
	bad(len(c.Agent) > maxAgent, "Agent has %d bytes: give at most %d", len(c.Agent), maxAgent)
	bad(len(c.Bootstrap) > limits.BootstrapURLs, "Bootstrap has %d URLs: give at most %d", len(c.Bootstrap), limits.BootstrapURLs)
	bad(len(c.PublicURLs) > limits.ContactURLs, "PublicURLs has %d URLs: give at most %d", len(c.PublicURLs), limits.ContactURLs)
	return errors.Join(errs...)
}

func (c *Config) checkListen() error {
	return checkAddress("Listen", c.Listen)
}

func (c *Config) checkOrigins() error {
	var errs []error
	for _, origin := range c.AllowOrigins {
		if _, err := ws.ParseOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("config: AllowOrigins has %q: %w", origin, err))
		}
	}
	return errors.Join(errs...)
}

// checkAddress checks an address to listen on; empty: none.
func checkAddress(field, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("config: %s is %q: give host:port, or :port for all addresses", field, address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("config: %s is %q: the port must be a number from 0 to 65535", field, address)
	}
	return nil
}

func (c *Config) checkWebRTC() error {
	var errs []error
	switch c.WebRTC {
	case WebRTCOff:
	case WebRTCOn, WebRTCWhenNeeded:
		if !webrtc.Supported {
			errs = append(errs, fmt.Errorf("config: WebRTC is %q: this program was built without it (tag nowebrtc); give %q", c.WebRTC, WebRTCOff))
		}
	default:
		errs = append(errs, fmt.Errorf("config: WebRTC is %q: give %s, %s or %s", c.WebRTC, WebRTCOn, WebRTCWhenNeeded, WebRTCOff))
	}
	if c.MaxWebRTC < 1 || c.MaxWebRTC > limits.MaxLinks {
		errs = append(errs, fmt.Errorf("config: MaxWebRTC is %d: give 1 to %d, or 0 for the default", c.MaxWebRTC, limits.MaxLinks))
	}
	if err := checkAddress("WebRTCListen", c.WebRTCListen); err != nil {
		errs = append(errs, err)
	}
	if len(c.ICEServers) > limits.ICEServers {
		errs = append(errs, fmt.Errorf("config: ICEServers has %d servers: give at most %d", len(c.ICEServers), limits.ICEServers))
	}
	for _, server := range c.ICEServers {
		if _, err := webrtc.ParseServer(server); err != nil {
			errs = append(errs, fmt.Errorf("config: ICEServers has %q: %w", secret.URL(server), err))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkPublicURLs() error {
	var errs []error
	for _, raw := range c.PublicURLs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" || len(raw) > limits.ContactURLBytes {
			errs = append(errs, fmt.Errorf("config: PublicURLs has %q: give ws://host:port or wss://host:port, at most %d bytes", secret.URL(raw), limits.ContactURLBytes))
		} else if clean, ok := engine.Learnt(raw); !ok || clean != raw {
			errs = append(errs, fmt.Errorf("config: PublicURLs has %q: others dial no user, no query and no fragment of it, and a path of at most %d plain letters, digits and -._~/", secret.URL(raw), limits.LearntPath))
		}
	}
	return errors.Join(errs...)
}

// checkTLS loads the files.
func (c *Config) checkTLS(p *plan) error {
	var errs []error
	add := func(set *fileSet) {
		if err := p.files.add(set); err != nil {
			errs = append(errs, fmt.Errorf("config: %w", err))
		}
	}
	if c.TLSCA != "" {
		add(p.files.authorities(c.TLSCA))
	}
	proxies, err := Proxies(c.Proxy)
	if err != nil {
		errs = append(errs, err)
	}
	d := &webDialer{Dialer: ws.Dialer{Proxy: proxies}, files: p.files}
	p.dialers["ws"], p.dialers["wss"] = d, d
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
	case c.TLSCert == "" || c.TLSKey == "":
		errs = append(errs, errors.New("config: TLSCert and TLSKey go together: give both files"))
	default:
		add(p.files.certificate(c.TLSCert, c.TLSKey))
	}
	return errors.Join(errs...)
}

// checkNetworkKey loads the file.
func (c *Config) checkNetworkKey(p *plan) error {
	switch {
	case c.NetworkKeyFile == "":
		return nil
	case c.NetworkKey != nil:
		return errors.New("config: NetworkKey and NetworkKeyFile exclude each other: give one of them")
	}
	if err := p.files.add(p.files.key(c.NetworkKeyFile)); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// parseTargets reads URLs to join by; "#<id>" pins who has to answer.
func parseTargets(urls []string, known dialers) ([]engine.TargetSpec, error) {
	var specs []engine.TargetSpec
	var errs []error
	for _, raw := range urls {
		spec, err := parseTarget(raw, known)
		if err != nil {
			errs = append(errs, &JoinError{URL: transport.URL(raw), Stage: "parse", Err: err})
			continue
		}
		specs = append(specs, spec)
	}
	return specs, errors.Join(errs...)
}

func parseTarget(raw string, known dialers) (engine.TargetSpec, error) {
	u, err := secret.URL(raw).Parse()
	if err != nil {
		return engine.TargetSpec{}, err
	}
	if !strings.Contains(raw, "://") { // what stands before a colon may be a user
		return engine.TargetSpec{}, errors.New("no scheme: give ws://host:port or wss://host:port")
	}
	if known[u.Scheme] == nil {
		return engine.TargetSpec{}, fmt.Errorf("unknown scheme %q: give ws://host:port or wss://host:port", u.Scheme)
	}
	if u.Host == "" {
		return engine.TargetSpec{}, errors.New("no host: give ws://host:port")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			if strings.Contains(raw, "@") { // the number may be a piece of a password
				return engine.TargetSpec{}, secret.ErrPort
			}
			return engine.TargetSpec{}, fmt.Errorf("port %q: give a number from 1 to 65535", port)
		}
	}
	spec := engine.TargetSpec{URL: secret.URL(raw), Name: hasName(u)}
	if u.Fragment != "" {
		if spec.Pin, err = routing.ParseID(strings.TrimSpace(u.Fragment)); err != nil {
			return engine.TargetSpec{}, fmt.Errorf("pinned ID: %w", err)
		}
	}
	return spec, nil
}

// hasName says whether the host of a URL is a name, which may have several addresses.
func hasName(u *url.URL) bool {
	_, err := netip.ParseAddr(u.Hostname())
	return err != nil && (u.Scheme == "ws" || u.Scheme == "wss")
}
