package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
)

// meshConfig reads meshFlags.
func meshConfig(c *cli.Context, std streams) (node.Config, error) {
	file := c.String("network-key")
	key, err := readNetworkKey(file)
	if err == nil && isRegular(file) {
		key = nil // the node reads the file itself, and again when it changes
	} else {
		file = ""
	}
	return node.Config{
		StateDir:   c.String("state"),
		TLSCA:      c.String("tls-ca"),
		Proxy:      c.String("proxy"),
		Bootstrap:  list(c, "bootstrap"),
		NetworkKey: key, NetworkKeyFile: file,
		WebRTC:     node.WebRTCUse(get[string](c, "webrtc")),
		ICEServers: list(c, "ice"),

		WebRTCHidePrivate: c.Bool("webrtc-hide-private"),
		Agent:             "peermesh/" + version,
		Logger:            logger(std.err, get[string](c, "log-level"), get[string](c, "log-format")),
	}, err
}

// nodeConfig reads nodeFlags and tells all mistakes at once.
func nodeConfig(c *cli.Context, std streams) (node.Config, error) {
	cfg, errMesh := meshConfig(c, std)
	proxies, errProxies := prefixes(c, "trusted-proxy")
	cfg.TrustedProxies = proxies
	cfg.AllowOrigins = list(c, "allow-origin")
	cfg.PublicURLs = list(c, "public-url")
	cfg.TLSCert, cfg.TLSKey = c.String("cert"), c.String("key")
	cfg.MaxPeers, cfg.MaxLeaves = get[int](c, "max-peers"), get[int](c, "max-leaves")
	cfg.MaxMemory = int(get[byteCount](c, "max-memory"))
	cfg.Leaf = c.Bool("leaf")
	cfg.MaxWebRTC = get[int](c, "max-webrtc")
	host := c.String("host")
	cfg.Listen, cfg.WebRTCListen = listenAddress(host, get[int](c, "port")), listenAddress(host, get[int](c, "webrtc-port"))
	return cfg, errors.Join(needsPort(&cfg, host, c.String("port-file")), onePortTwice(&cfg, get[string](c, "admin")), errProxies, errMesh)
}

// listenAddress joins host and port; a port below zero means none.
func listenAddress(host string, port int) string {
	if port < 0 {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// readNetworkKey reads the file of --network-key: 64 hex digits with blanks
// around them, or 32 bytes. No file: no key.
func readNetworkKey(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &usageError{text: "--network-key: " + err.Error()}
	}
	key, err := node.ParseNetworkKey(text)
	if err != nil {
		return nil, &usageError{
			text:  fmt.Sprintf("--network-key %s: %v", file, err),
			hints: []string{"a new key for all nodes of the mesh: openssl rand -hex 32 > network.key"},
		}
	}
	return key, nil
}

// isRegular says whether there is a file of that name which can be read again.
func isRegular(name string) bool {
	info, err := os.Stat(name)
	return name != "" && err == nil && info.Mode().IsRegular()
}

// logger writes what is at least as grave as level.
func logger(w io.Writer, level, format string) *slog.Logger {
	return loggerOf(w, levelOf(level), format)
}

// levelOf reads the value of --log-level.
func levelOf(name string) slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(name)) // the flag accepts only names that slog knows
	return l
}

// loggerOf is logger with a level that may move.
func loggerOf(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
