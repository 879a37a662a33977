package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/node"
)

// adminOff is the --admin of a node that nobody looks at.
const adminOff = "off"

// freeAdmin is a free port for it.
const freeAdmin = "127.0.0.1:0"

// adminAddress reads the address of a node's admin listener, also as the URL
// that the commands take, or "off".
func adminAddress() *value[string] {
	return &value[string]{v: freeAdmin, text: freeAdmin, read: func(text string) (string, error) {
		if text == adminOff {
			return text, nil
		}
		addr := strings.TrimSuffix(strings.TrimPrefix(text, "http://"), "/")
		if admin.CheckAddr(addr) != nil {
			return "", errors.New("want a loopback address, such as 127.0.0.1:9090 or [::1]:9090, or off")
		}
		return addr, nil
	}}
}

// adminPage is the admin listener of a running node with its runtime file. nil
// is one that is off.
type adminPage struct {
	server *admin.Server
	remove func() error
}

// openAdmin starts the listener that --admin asks for. Where it cannot, the page is at
// a free port; without one, or without a runtime file, the node runs all the same. Each
// is a warning of the node.
func openAdmin(c *cli.Context, n *node.Node, level *slog.LevelVar) *adminPage {
	addr := get[string](c, "admin")
	if addr == adminOff {
		return nil
	}
	warn := func(part, hint, format string, args ...any) {
		text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
		n.SetWarning(part, node.Warning{Part: part, Text: text, Hint: hint, Broken: true})
	}
	cfg := admin.Config{Node: n, Version: version, Commit: commit(), Level: level}
	server, err := listenAdmin(addr, cfg)
	if err != nil {
		var free error
		if server, free = listenAdmin(freeAdmin, cfg); free != nil {
			warn("admin", "--admin ADDRESS chooses another address, --admin off none", "%v: the node runs without an admin page, so status, peers and top do not find it", err)
			return nil
		}
		warn("admin", "end what has the address, or choose another, and start the node again", "%v: the admin page is at %s instead", err, server.URL())
	}
	p := &adminPage{server, func() error { return nil }}
	remove, err := admin.Register(n.ID(), server.URL())
	if err != nil {
		warn("runtime-file", "give the node an XDG_RUNTIME_DIR or a TMPDIR that it may write to", "%v: status, peers and top find this node by --admin %s alone", err, server.URL())
		return p
	}
	p.remove = remove
	return p
}

// listenAdmin is admin.Listen, unless a test has it fail.
var listenAdmin = admin.Listen

// url is where the page is; empty: nowhere.
func (p *adminPage) url() string {
	if p == nil {
		return ""
	}
	return p.server.URL()
}

// close ends the listener. What cannot be removed is swept by who looks next.
func (p *adminPage) close() {
	if p != nil {
		_ = p.remove()
		_ = p.server.Close()
	}
}
