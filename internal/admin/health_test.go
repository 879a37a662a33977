package admin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
)

func TestHealth(t *testing.T) {
	now := time.Now()
	peer := []node.PeerInfo{{RTT: time.Millisecond}}
	for _, test := range []struct {
		name   string
		status node.Status
		want   []string // the texts
	}{
		{"well", node.Status{Peers: peer}, nil},
		{"alone", node.Status{}, []string{"this node is alone"}},
		{"nobody came", node.Status{URLs: []string{"ws://a"}}, []string{"nobody has joined this node yet"}},
		{"all have left", node.Status{URLs: []string{"ws://a"}, Forwarded: 1394, Traffic: []node.Traffic{{Transport: "ws", RxBytes: 1}}},
			[]string{"no link is up: those who had joined this node have left; it forwarded 1394 frames for them"}},
		{"nobody answers", node.Status{Bootstraps: []node.BootstrapInfo{{URL: "ws://a", LastError: "refused"}}},
			[]string{"no link is up", "the bootstrap URL ws://a does not answer: refused"}},
		{"one of two answers", node.Status{Peers: peer, Bootstraps: []node.BootstrapInfo{{URL: "ws://a", LastError: "old", Linked: true}, {URL: "ws://b", LastError: "refused"}}},
			[]string{"the bootstrap URL ws://b does not answer: refused"}},
		{"leaf without a home", node.Status{Leaf: true, Peers: peer}, []string{"this leaf is not attached: nobody finds it yet"}},
		{"all URLs lead here", node.Status{Peers: peer, Bootstraps: []node.BootstrapInfo{{URL: "ws://a", Stage: "handshake", LastError: "own-id: the peer is this node", Reason: "own-id"}}},
			[]string{"every bootstrap URL leads to this node itself: it joins nobody, and waits for others to join it"}},
		{"one URL leads here", node.Status{Peers: peer, Bootstraps: []node.BootstrapInfo{{URL: "ws://a", LastError: "own-id", Reason: "own-id"}, {URL: "ws://b", Linked: true}}}, nil},
		{"few files are left", node.Status{Peers: peer, Limits: []node.LimitUse{{Name: "open-files", Used: 64, Max: 64}}},
			[]string{"64 of 64 files that this process may have open are in use, of them 1 by links: nobody can join while none is free"}},
		{"files are left", node.Status{Peers: peer, Limits: []node.LimitUse{{Name: "open-files", Used: 57, Max: 64}}}, nil},
		{"a warning", node.Status{Peers: peer, Warnings: []node.Warning{{Part: "state", Text: "it is gone", Hint: "put it back"}}}, []string{"it is gone"}},
		{"late link", node.Status{Peers: []node.PeerInfo{{Suspect: true}, {}}}, []string{"1 of 2 links are late with acks; frames avoid them"}},
		{"limits", node.Status{Peers: peer, Limits: []node.LimitUse{{Name: "ports", Used: 3, Max: 3}, {Name: "leaf-links"}}, LimitsHit: map[string]uint64{"store-full": 1, "queue-full": 2},
			LimitsHitAt: map[string]time.Time{"store-full": now.Add(-time.Hour), "queue-full": now.Add(-12 * time.Second)}},
			[]string{"ports is at its limit of 3", "queue-full: the outgoing queue of a link had no room; 2 times since the start, last 12s ago"}},
		{"robbed", node.Status{URLs: []string{"ws://a"}, IdentityInUseAt: now},
			[]string{"identity in use elsewhere: 0s ago another process proved that it has this node's key", "nobody has joined this node yet"}},
		{"robbed long ago", node.Status{Peers: peer, IdentityInUseAt: now.Add(-time.Hour)}, nil},
		{"a proxy nobody named", node.Status{Peers: peer, UndeclaredProxy: "10.0.0.1", UndeclaredProxyAt: now},
			[]string{"clients come by a proxy at 10.0.0.1 that is not trusted: all of them count as one address, and few get links with relays; none where it sends PROXY protocol headers"}},
		{"a proxy nobody named, long ago", node.Status{Peers: peer, UndeclaredProxy: "10.0.0.1", UndeclaredProxyAt: now.Add(-time.Hour)}, nil},
		{"a certificate that ends", node.Status{Peers: peer, Warnings: []node.Warning{{Part: "certificate", Text: "the certificate ends"}}}, []string{"the certificate ends"}},
		{"the port is full", node.Status{Peers: peer, LimitsHit: map[string]uint64{"connection-limit": 9}, LimitsHitAt: map[string]time.Time{"connection-limit": now}},
			[]string{"connection-limit: the port had no room for a connection; 9 times since the start, last 0s ago"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, h := range health(&test.status, now) {
				got = append(got, h.Text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// That others cannot join is more than a note.
func TestAFullPortIsAWarning(t *testing.T) {
	now := time.Now()
	s := node.Status{LimitsHit: map[string]uint64{"connection-limit": 9}, LimitsHitAt: map[string]time.Time{"connection-limit": now}}
	if all := boundHealth(&s, now); len(all) != 1 || all[0].Level != "warn" || all[0].Hint == "" {
		t.Errorf("got %+v, want a warning with a hint", all)
	}
}

// Each reason that stands for a bound is explained, and no other.
func TestEveryBoundIsExplained(t *testing.T) {
	for r := range reason.Count {
		r := reason.Reason(r)
		b, ok := bounds[r.String()]
		if ok != r.IsLimit() || ok && (b.text == "" || b.hint == "") {
			t.Errorf("%v: got %+v, want words: %v", r, b, r.IsLimit())
		}
	}
}

func TestBootstrapHintIsForItsStage(t *testing.T) {
	for stage, want := range map[string]string{"resolve": "name", "connect": "running", "tls": "certificate", "handshake": "network-key", "": "running"} {
		s := node.Status{Bootstraps: []node.BootstrapInfo{{URL: "ws://a", Stage: stage, LastError: "x"}}, Peers: []node.PeerInfo{{}}}
		if all := health(&s, time.Now()); len(all) != 1 || !strings.Contains(all[0].Hint, want) {
			t.Errorf("%s: got %+v, want a hint with %q", stage, all, want)
		}
	}
}
