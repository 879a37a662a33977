package node

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/wire"
	internalws "github.com/peermesh/peermesh/internal/ws"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// The version in a Hello, the prologues and the subprotocol are one number.
func TestOneVersion(t *testing.T) {
	n := strconv.Itoa(wire.ProtocolVersion)
	if ws.Subprotocol != "peermesh."+n || !strings.HasPrefix(wire.LinkPrologue, "peermesh/"+n+" ") || !strings.HasPrefix(wire.SessionPrologue, "peermesh/"+n+" ") {
		t.Errorf("got %q, %q, %q, want all of version %s", ws.Subprotocol, wire.LinkPrologue, wire.SessionPrologue, n)
	}
}

// A node that joins by one of version 1 says so at once, with both versions.
func TestDiallingAnOlderNode(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := internalws.Accept(w, r, internalws.AcceptOptions{Subprotocols: []string{"peermesh.1"}}); err == nil {
			_ = c.CloseWith(internalws.StatusProtocol, "this node speaks peermesh.1")
		}
	}))
	t.Cleanup(old.Close)
	n, err := New(Config{Bootstrap: []string{"ws" + strings.TrimPrefix(old.URL, "http")}, WebRTC: WebRTCOff})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	err = n.Ready(within(t, time.Minute))
	var v *transport.VersionError
	if !errors.Is(err, ErrRefused) || !errors.As(err, &v) || v.Ours != "peermesh.2" || v.Theirs != "peermesh.1" {
		t.Errorf("got %v, want a refusal that names both versions", err)
	}
	for _, word := range []string{"bad-version", "peermesh.2", "peermesh.1"} {
		if err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("got %q, want it to say %s", err, word)
		}
	}
	if got := n.Status().Drops["bad-version"]; got == 0 {
		t.Errorf("drops: got %v, want bad-version counted", n.Status().Drops)
	}
}

// A node that one of version 1 dials turns it away, and tells its own user.
func TestDialledByAnOlderNode(t *testing.T) {
	n, err := New(Config{Listen: "127.0.0.1:0", WebRTC: WebRTCOff})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	defer cancel()
	events := n.Events(ctx)
	u, err := url.Parse(n.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = internalws.Dial(ctx, u, internalws.DialOptions{Subprotocols: []string{"peermesh.1"}})
	var none *internalws.SubprotocolError
	if !errors.As(err, &none) || none.Said != "this node speaks peermesh.2" {
		t.Errorf("the older node: got %v, want to be told the version spoken here", err)
	}
	for e := range events {
		if e.Kind != Refused {
			continue
		}
		if e.Reason != "bad-version" || !strings.Contains(e.Err, "peermesh.2") || !strings.Contains(e.Err, "peermesh.1") {
			t.Errorf("got %+v, want the reason and both versions", e)
		}
		break
	}
	if got := n.Status().Drops["bad-version"]; got != 1 {
		t.Errorf("drops: got %v, want one bad-version", n.Status().Drops)
	}
}
