package node

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/peermesh/peermesh/transport/ws"
)

// ServeHTTP serves what the node's own port serves, for a server of the caller:
// mesh links at any path, and otherwise pages of a few plain words: /healthz,
// which a balancer asks whether the node serves, /readyz, whether it is part of a
// mesh, and /, which tells a person what this is and how to join. They name no peer and hold no secret, and cost
// nothing that a stranger could use up.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ws.RefuseProxyHeader(w, r) {
		return
	}
	if ws.Wants(r) && !n.isLeaving() {
		n.handler.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if r.ContentLength != 0 { // nobody reads a body here, and nobody waits for one
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // where w has one
	}
	status, text := n.page(r)
	switch {
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Connection", "close") // what was idle here is to go elsewhere
	case r.Method == http.MethodOptions && status == http.StatusOK:
		status, text = http.StatusNoContent, ""
		fallthrough
	case status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // who asked may be gone
}

// The paths of the pages for programs.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// pagePath is the path of a page below where the node is mounted: what a
// StripPrefix left, or what follows the pattern of a ServeMux.
func pagePath(r *http.Request) string {
	path := r.URL.Path
	if path == "*" { // OPTIONS of the server as a whole
		return healthPath
	}
	if i := strings.IndexByte(r.Pattern, '/'); i >= 0 && path != healthPath && path != readyPath {
		if rest, below := strings.CutPrefix(path, strings.TrimSuffix(r.Pattern[i:], "/")); below {
			path = rest
		}
	}
	if path == "" {
		return "/"
	}
	return path
}

// page is the answer to a request that is no link.
func (n *Node) page(r *http.Request) (status int, text string) {
	path := n.belowPrefix(r, pagePath(r))
	switch {
	case path != "/" && path != healthPath && path != readyPath:
		return http.StatusNotFound, "There is no such page: this is a node of a peermesh, and / says how to join.\n" +
			"A proxy that leads here below a path of its own has it in a --public-url, or tells it in X-Forwarded-Prefix and is a --trusted-proxy.\n"
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions:
		return http.StatusMethodNotAllowed, "This page can only be read: ask with GET.\n"
	case n.isLeaving():
		return http.StatusServiceUnavailable, "leaving\n"
	case path == readyPath:
		return n.readiness()
	case path == "/":
		return http.StatusOK, n.welcome(r)
	}
	return http.StatusOK, "ok\n"
}

func (n *Node) isLeaving() bool { return n.leaving.Load() || n.ended.Load() }

// readiness says whether the node is part of a mesh: it has a link, or nobody gave it
// a URL to join by.
func (n *Node) readiness() (status int, text string) {
	b := n.state.load()
	switch alone := len(n.cfg.Bootstrap) == 0 && len(b.targets) == 0; {
	case b.linked:
		return http.StatusOK, "ready\n"
	case alone:
		return http.StatusOK, "ready: it has no URL to join by, and waits for others\n"
	case n.cfg.Leaf && len(n.live.all()) > 0:
		return http.StatusServiceUnavailable, "not ready: no relay has taken this leaf in yet\n"
	}
	return http.StatusServiceUnavailable, "not ready: no link is up\n"
}

// welcome says what this is and how to join, by the URL that the reader used.
func (n *Node) welcome(r *http.Request) string {
	var b strings.Builder
	b.WriteString("This is a node of a peermesh: a mesh of programs in which any two can talk,\n" +
		"knowing nothing but each other's ID. What they say is encrypted from end to end.\n\n")
	at := n.urlFor(r)
	if at == "" {
		b.WriteString("Nobody can join it here: it has no address that others can use.\n")
		return b.String()
	}
	key := ""
	if n.networkKey() != nil {
		b.WriteString("This mesh is closed: to join, you need the file with its key from who runs it.\n\n")
		key = " --network-key FILE"
	}
	fmt.Fprintf(&b, "Run a node that joins it:\n\n    peermesh --port 0 --bootstrap %s%s\n\n", at, key)
	fmt.Fprintf(&b, "Print what is sent to you, after the ID to give to others:\n\n    peermesh listen --bootstrap %s%s\n\n", at, key)
	b.WriteString("In a Go program: node.Config{Bootstrap: []string{\"" + at + "\"}}\n")
	return b.String()
}

// urlFor is the URL by which the client of r can join: where there are public ones
// that which is most like the one that the client used, for a proxy may have changed
// what the client wrote; else the one that the client used, else any.
func (n *Node) urlFor(r *http.Request) string {
	at := n.handler.URL(r)
	if public := n.publicLike(at); public != "" {
		return public
	}
	if at != "" {
		return at
	}
	if urls := n.URLs(); len(urls) > 0 {
		return urls[0]
	}
	return ""
}
