//go:build linux

package natlab

import (
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// longCuts asks for networks that are away for as long as the figures of them ask for.
var longCuts = flag.Bool("longcuts", false, "networks are away for 20 s in place of 6")

// comeback is how long after the network is right again the first message arrives at
// the latest.
const comeback = 3 * time.Second

// trip is a node on a host that moves, and one that stays, with a relay.
type trip struct {
	*cell
	host, home    place
	mover, stayer *member
	away          time.Duration // how long a network is gone
}

// how says what the moving node is.
type how struct {
	role   string // leaf or relay, or direct: leaves with a link of their own
	secure bool   // by wss
	nat    bool   // it is behind a translator, and there is another
}

func newTrip(t *testing.T, h how) *trip {
	t.Helper()
	needLab(t)
	r := &trip{cell: newCell(t), away: 6 * time.Second}
	if *longCuts {
		r.away = 20 * time.Second
	}
	if h.nat {
		r.host = r.newNAT(t, portRestricted, 1).host(t, "mover")
		r.newNAT(t, portRestricted, 2)
	} else {
		r.host = r.onWAN(t, "mover", outer(61))
	}
	r.home = r.onWAN(t, "stayer", outer(62))
	ca, cert, key := certificates(t, "mesh.test")
	dir := filesFor(t, map[string]string{"ca.pem": ca, "cert.pem": cert, "key.pem": key})
	args, scheme := []string{"--port", fmt.Sprint(relayPort)}, "ws"
	if h.secure {
		args, scheme = append(args, "--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem")), "wss"
	}
	r.relay[0].runs(t, args...)
	for _, p := range []place{r.host, r.home} {
		p.hosts(t, "mesh.test", r.relay[0].addr.String())
	}
	url := fmt.Sprintf("%s://mesh.test:%d", scheme, relayPort)
	r.mover = ready(t, r.host.play(t, "mover", h.role, filepath.Join(dir, "ca.pem"), url))
	stays := "leaf"
	if h.role == "direct" {
		stays = h.role
	}
	r.stayer = ready(t, r.home.play(t, "mover", stays, filepath.Join(dir, "ca.pem"), url))
	if h.role == "direct" {
		if made := r.mover.does(t, "connect", r.stayer); made.Link == nil || made.Link.Transport != "webrtc" {
			t.Fatalf("connect: got %+v, want a link over WebRTC", made)
		}
	}
	return r
}

// moves has each node send to the other while one moves. All messages, which have 45 s
// each, arrive, once; and the first soon after the network is right again.
func (r *trip) moves(t *testing.T, move func(*trip, *testing.T)) {
	t.Helper()
	count := int((r.away + 4*time.Second) / (40 * time.Millisecond))
	r.mover.tell(t, "send %s %d 40ms 45s", r.stayer.id, count)
	r.stayer.tell(t, "send %s %d 40ms 45s", r.mover.id, count)
	time.Sleep(time.Second)
	move(r, t)
	r.mover.tell(t, "back")
	r.stayer.tell(t, "back")
	for name, p := range map[string]*member{"the one that moves": r.mover, "the one that stays": r.stayer} {
		var e fate
		if err := json.Unmarshal([]byte(p.nextWithin(t, 2*patience)), &e); err != nil {
			t.Fatal(err)
		}
		if e.Sent != count || e.Failed > 0 {
			t.Errorf("%s: got %d of %d messages failed, %d of them unknown, want none: %q", name, e.Failed, e.Sent, e.Unknown, e.Causes)
		}
		if e.Received > count {
			t.Errorf("%s: %d messages came, want the other's %d once each", name, e.Received, count)
		}
		if e.First == 0 || e.First > comeback+slack || e.FirstIn == 0 || e.FirstIn > comeback+slack {
			t.Errorf("%s: the first message was acknowledged after %v, and one came after %v, want %v", name, e.First, e.FirstIn, comeback)
		}
		t.Logf("%s: %d sent, %d came, the first acknowledged after %v, the first came after %v; the slowest took %v", name, e.Sent, e.Received,
			e.First.Round(time.Millisecond), e.FirstIn.Round(time.Millisecond), e.Slowest.Round(time.Millisecond))
	}
}

// another exchanges the host's address.
func another(r *trip, t *testing.T) {
	r.host.ip(t, "addr del "+r.host.addr.String()+"/8 dev wan", "addr add "+outer(63)+"/8 dev wan")
}

// anotherNetwork plugs the host into the net behind the other translator.
func anotherNetwork(r *trip, t *testing.T) {
	r.nat[0].ip(t, "link set dev to-mover netns "+string(r.nat[1].space))
	r.host.ip(t, "addr flush dev eth0")
	time.Sleep(time.Second) // as it takes to log in there
	r.nat[1].ip(t, "link set dev to-mover master lan up")
	r.host.ip(t, "addr add "+r.nat[1].inside(7).String()+"/24 dev eth0", "route add default via "+r.nat[1].inside(1).String())
}

// TestMove: what becomes of messages when the network below one end changes.
func TestMove(t *testing.T) {
	t.Parallel()
	needLab(t)
	for name, c := range map[string]struct {
		how
		move func(*trip, *testing.T)
	}{
		"another address, leaf":        {how{role: "leaf"}, another},
		"another address, leaf, wss":   {how{role: "leaf", secure: true}, another},
		"another address, relay":       {how{role: "relay"}, another},
		"another address, direct link": {how{role: "direct"}, another},
		"another Wi-Fi":                {how{role: "leaf", nat: true}, anotherNetwork},
		"another Wi-Fi, direct link":   {how{role: "direct", nat: true}, anotherNetwork},
		"cable out and in": {how{role: "leaf"}, func(r *trip, t *testing.T) {
			r.wan.ip(t, "link set to-mover down")
			time.Sleep(r.away)
			r.wan.ip(t, "link set to-mover up")
		}},
		"no network": {how{role: "leaf"}, func(r *trip, t *testing.T) {
			r.host.ip(t, "link set wan down")
			time.Sleep(r.away)
			r.host.ip(t, "link set wan up")
		}},
		"the relay's cable": {how{role: "leaf"}, func(r *trip, t *testing.T) {
			r.wan.ip(t, "link set to-r1 down")
			time.Sleep(r.away)
			r.wan.ip(t, "link set to-r1 up")
		}},
		"sleep and wake": {how{role: "leaf"}, func(r *trip, t *testing.T) {
			r.mover.signal(t, syscall.SIGSTOP)
			time.Sleep(r.away)
			r.mover.signal(t, syscall.SIGCONT)
		}},
		"sleep, and wake elsewhere": {how{role: "leaf"}, func(r *trip, t *testing.T) {
			r.mover.signal(t, syscall.SIGSTOP)
			another(r, t)
			time.Sleep(r.away)
			r.mover.signal(t, syscall.SIGCONT)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newTrip(t, c.how).moves(t, c.move)
		})
	}
}

// signal sends a signal to a process.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
