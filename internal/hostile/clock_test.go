package hostile_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// relayAt is a relay whose clock is so far ahead of this machine's, and that is as
// strict about certificates as any.
func relayAt(t *testing.T, ahead time.Duration) (url string) {
	t.Helper()
	self := hostile.NewSelf(wire.RoleRelay)
	self.Skew = ahead
	srv, err := hostile.ServeAt(ahead, func(p hostile.Pipe) {
		h := hostile.NewHandshake(p, self, false)
		if _, err := h.Read(); err != nil {
			return
		}
		if h.Write(self.Hi()) != nil {
			return
		}
		payload, err := h.Read()
		if err != nil {
			return
		}
		l, err := h.Link(payload)
		if err == nil {
			_, _, err = identity.VerifyCert(l.PeerHello.Cert, h.PeerStatic(), wire.ID{}, time.Now().Add(ahead))
		}
		if err != nil {
			p.Close()
			return
		}
		l.Run(hostile.Habits{})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return srv.URL
}

// A node whose clock is wrong is told so, and by how much, whichever of the two ends
// refuses the other's certificate: in the event, the status and the error of a join.
func TestAWrongClockIsNamed(t *testing.T) {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	for ahead, want := range map[time.Duration]string{
		10 * time.Minute:  "this clock is 10m0s behind that of the server there",
		-10 * time.Minute: "this clock is 10m0s ahead of that of the server there",
		time.Hour:         "this clock is 1h0m0s behind",
		-time.Hour:        "this clock is 1h0m0s ahead of",
		73 * time.Hour:    "this clock is 3 days behind",
		-73 * time.Hour:   "this clock is 3 days ahead of",
		55 * year:         "this clock is 54 years behind",
		-55*year - 15*day: "this clock is 55 years ahead of",
	} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			url := relayAt(t, ahead)
			n := start(t, node.Config{Leaf: true, Bootstrap: []string{url}, WebRTC: node.WebRTCOff})
			told := false
			for ev := range n.Events(within(t, amply)) {
				if ev.Kind == node.Attached {
					t.Fatal("attached by a clock that is wrong")
				}
				if told = (ev.Kind == node.Retry || ev.Kind == node.Refused) && strings.Contains(nearly(ev.Err), want); told {
					break
				}
			}
			if !told {
				t.Errorf("no event says %q", want)
			}
			until(t, "the status tells it", func() bool {
				b := bootstrap(n)
				return b.Reason == "wrong-clock" && strings.Contains(nearly(b.LastError), want)
			})
			gone, cancel := context.WithCancel(context.Background())
			cancel()
			var join *node.JoinError
			var clock *node.ClockError
			if err := n.Ready(gone); !errors.As(err, &join) || !errors.As(err, &clock) || (clock.Behind-ahead).Abs() > 5*time.Second {
				t.Errorf("got %v, want an error that tells of the clock", err)
			}
		})
	}
}

// bootstrap is the state of the node's one URL.
func bootstrap(n *node.Node) (b node.BootstrapInfo) {
	for _, b = range n.Status().Bootstraps {
	}
	return b
}

// nearly takes the second off that a busy machine adds to what is measured.
func nearly(text string) string {
	return strings.NewReplacer("9m59s", "10m0s", "10m1s", "10m0s", "59m59s", "1h0m0s", "1h0m1s", "1h0m0s", "9m58s", "10m0s", "59m58s", "1h0m0s").Replace(text)
}

// A right clock is not blamed for what else a relay refuses.
func TestARightClockIsNotBlamed(t *testing.T) {
	self := hostile.NewSelf(wire.RoleRelay)
	srv, err := hostile.Serve(func(p hostile.Pipe) {
		_, _ = hostile.Take(p, self)
		p.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	n := start(t, node.Config{Leaf: true, Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	until(t, "the join fails", func() bool { return bootstrap(n).LastError != "" })
	if b := bootstrap(n); b.Reason == "wrong-clock" || strings.Contains(b.LastError, "clock") {
		t.Errorf("got %+v, want another reason", b)
	}
}

// A relay that takes the link and says nothing on it is told as that.
func TestAMuteRelayIsNamed(t *testing.T) {
	self := hostile.NewSelf(wire.RoleRelay)
	srv, err := hostile.Serve(func(p hostile.Pipe) {
		_, _ = hostile.Take(p, self)
		for {
			if _, err := p.Read(); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	n := start(t, node.Config{Bootstrap: []string{srv.URL}, WebRTC: node.WebRTCOff})
	until(t, "the status tells it", func() bool {
		b := bootstrap(n)
		return b.Reason == "no-answer" && strings.Contains(b.LastError, "has not answered")
	})
}
