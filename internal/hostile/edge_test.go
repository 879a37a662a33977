package hostile_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// prey is a program of this machine that a stranger wants asked. It counts what
// comes to it.
type prey struct {
	url      string
	connects atomic.Int64
	asked    chan string // the targets of requests
}

func newPrey(t *testing.T) *prey {
	t.Helper()
	p := &prey{asked: make(chan string, 64)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p.asked <- r.RequestURI }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			p.connects.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	p.url = strings.Replace(server.URL, "http:", "ws:", 1)
	return p
}

// lure links a client that comes with a header, and says that it and two others
// are to be dialled at the prey's. It returns when the node has tried the two.
func lure(t *testing.T, n *node.Node, p *prey, opts hostile.Options) *hostile.Link {
	t.Helper()
	self := hostile.NewSelf(wire.RoleRelay)
	self.Info.URLs = []string{p.url + "/own?now=1"}
	var others [][]byte
	for range 2 {
		other := hostile.NewSelf(wire.RoleRelay)
		other.Info.URLs = []string{p.url + "/reboot?now=1"}
		others = append(others, other.Contact())
	}
	failed := n.Status().Dials.Failed
	l, err := hostile.Dial(within(t, amply), url(n), self, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.Run(hostile.Habits{On: func(frame []byte) bool {
		if !hostile.IsLink(wire.LinkFindNode)(frame) {
			return false
		}
		_ = l.Send(wire.AppendNodes(nil, &wire.Nodes{Records: others}))
		return true
	}})
	until(t, "the node tries whom it is told of", func() bool { return n.Status().Dials.Failed >= failed+2 })
	return l
}

// A page in a browser, and a client of a proxy on this machine, come from
// loopback and are not of this machine: what they tell of it is not dialled.
func TestWhoComesFromLoopbackIsNotOfThisMachine(t *testing.T) {
	for name, opts := range map[string]hostile.Options{
		"page":                           {Header: http.Header{"Origin": {"http://localhost:3000"}}},
		"by a proxy":                     {Header: http.Header{"X-Forwarded-For": {"9.9.9.9"}}},
		"by a proxy, with the RFC's":     {Header: http.Header{"Forwarded": {"for=9.9.9.9"}}},
		"by a proxy that names no one":   {Header: http.Header{"Via": {"1.1 proxy"}}},
		"by a proxy, says it is local":   {Header: http.Header{"X-Real-Ip": {"127.0.0.1"}}},
		"by a proxy that keeps the name": {Host: "mesh.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			p, n := newPrey(t), relay(t)
			lure(t, n, p, opts)
			if got := p.connects.Load(); got != 0 {
				t.Errorf("connects to a program of this machine: got %d, want 0", got)
			}
		})
	}
}

// A program of this machine may tell of it, and yet chooses no query.
func TestALearntURLHasNoQuery(t *testing.T) {
	p, n := newPrey(t), relay(t)
	lure(t, n, p, hostile.Options{})
	for range 2 {
		if got := <-p.asked; got != "/reboot" && got != "/own" {
			t.Errorf("asked for %q, want the path alone", got)
		}
	}
}

// What a proxy hides shares the places of one group of addresses among relays, where
// they are scarce.
func TestClientsOfAnUndeclaredProxyAreOneAddress(t *testing.T) {
	n := start(t, node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff, MaxPeers: groupLinks + 4})
	links := 0
	for range 3 * groupLinks {
		l, err := hostile.Dial(within(t, amply), url(n), hostile.NewSelf(wire.RoleRelay), hostile.Options{Header: http.Header{"X-Forwarded-For": {"9.9.9.9"}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		l.Run(hostile.Habits{})
		if l.Ping(within(t, amply), [8]byte{1}) == nil {
			links++
		}
	}
	if links > groupLinks {
		t.Errorf("links: got %d, want at most %d", links, groupLinks)
	}
	if got := n.Status(); got.UndeclaredProxy != "127.0.0.1" {
		t.Errorf("the proxy that is told of: got %q, want 127.0.0.1", got.UndeclaredProxy)
	}
}

// groupLinks is how many relay links one group of addresses gets of few places; four
// are for those in need.
const groupLinks = 8
