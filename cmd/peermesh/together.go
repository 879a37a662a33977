package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
)

// strength orders the origins: who gives a value by a stronger one means to
// overrule a weaker one.
var strength = map[origin]int{fromDefault: 0, fromFile: 1, fromEnv: 2, fromFlag: 3}

// overrule leaves out of a config what a setting of a stronger origin makes
// useless: --webrtc off on the command line is no mistake because the file or the
// environment of all nodes names STUN servers. What is as strong is left for
// node.Config.Check to refuse.
func overrule(cfg *node.Config, from func(name string) origin) {
	weaker := func(name, than string) bool { return strength[from(name)] < strength[from(than)] }
	if cfg.WebRTC == node.WebRTCOff {
		if weaker("max-webrtc", "webrtc") {
			cfg.MaxWebRTC = 0
		}
		if weaker("webrtc-port", "webrtc") {
			cfg.WebRTCListen = ""
		}
		if weaker("ice", "webrtc") {
			cfg.ICEServers = nil
		}
	}
	if cfg.Leaf && weaker("max-leaves", "leaf") {
		cfg.MaxLeaves = 0
	}
}

// from is where a setting comes from.
func (s *settings) from(name string) origin {
	if x := s.find(name); x != nil {
		return x.origin
	}
	return fromDefault
}

// fromCommand is from for a command that reads no config file.
func fromCommand(c *cli.Context) func(name string) origin {
	return func(name string) origin {
		i := slices.IndexFunc(c.Command.Flags, func(f cli.Flag) bool { return f.Names()[0] == name })
		if i < 0 {
			return fromDefault
		}
		s := newSetting(c, c.Command.Flags[i])
		return s.origin
	}
}

// needsPort refuses what says something of a port where there is none. A node
// that is mounted in a server has a use for some of it; one of its own has not.
func needsPort(cfg *node.Config, host, portFile string) error {
	if cfg.Listen != "" {
		return nil
	}
	var errs []error
	for _, x := range []struct {
		set  bool
		name string
	}{
		{host != "" && cfg.WebRTCListen == "", "host"},
		{len(cfg.PublicURLs) > 0, "public-url"},
		{cfg.TLSCert != "" && cfg.TLSKey != "", "cert"}, // one without the other is told
		{len(cfg.TrustedProxies) > 0, "trusted-proxy"},
		{len(cfg.AllowOrigins) > 0, "allow-origin"},
		{portFile != "", "port-file"},
	} {
		if x.set {
			errs = append(errs, &usageError{text: fmt.Sprintf("--%s needs --port", x.name)})
		}
	}
	return errors.Join(errs...)
}

// onePortTwice refuses an admin address that the node itself would listen on.
func onePortTwice(cfg *node.Config, page string) error {
	host, port, _ := net.SplitHostPort(cfg.Listen)
	pageHost, pagePort, _ := net.SplitHostPort(page)
	if page == adminOff || port != pagePort || port == "0" || port == "" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); host != pageHost && host != "" && (err != nil || !ip.IsUnspecified()) {
		return nil
	}
	return &usageError{text: fmt.Sprintf("--admin %s and --port %s are one port: give each its own", page, port)}
}
