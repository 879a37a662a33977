package node

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// Half-sent requests on every connection that the port may have keep nobody out,
// and the status says that they are there.
func TestHalfSentRequestsKeepNobodyOut(t *testing.T) {
	relay := startPage(t, Config{Listen: "127.0.0.1:0"})
	const beyond = 40
	for range limits.HTTPConns + beyond {
		c, err := net.Dial("tcp", relay.listener.Addr().String())
		if err != nil {
			t.Skipf("this system gives no %d connections: %v", limits.HTTPConns, err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / "); err != nil {
			t.Fatal(err)
		}
	}
	leaf := startPage(t, Config{Leaf: true, Homes: 1, Bootstrap: relay.URLs()})
	if err := leaf.Ready(within(t, 20*time.Second)); err != nil {
		t.Fatalf("got %v, want a link", err)
	}
	s := relay.Status()
	if got := s.LimitsHit["connection-limit"]; got < beyond || time.Since(s.LimitsHitAt["connection-limit"]) > time.Minute {
		t.Errorf("got %d hits, the last at %v, want %d and more, and now", got, s.LimitsHitAt, beyond)
	}
	for _, l := range s.Limits {
		if l.Name == "port-connections" && l.Max == limits.HTTPConns && l.Used > 0 {
			return
		}
	}
	t.Errorf("got %v, want port-connections of %d", s.Limits, limits.HTTPConns)
}

// A body that is announced and never sent holds no connection.
func TestABodyIsNotWaitedFor(t *testing.T) {
	n := startPage(t, Config{Listen: "127.0.0.1:0"})
	c, err := net.Dial("tcp", n.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	_ = c.SetDeadline(began.Add(2 * limits.HTTPRequestTime))
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 405") || time.Since(began) > limits.HTTPRequestTime/2 {
		t.Errorf("after %v: got %q, %v, want 405 and the end at once", time.Since(began), answer, err)
	}
}
