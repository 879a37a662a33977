package admin

import (
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
)

func TestHealth(t *testing.T) {
	peer := []node.PeerInfo{{RTT: time.Millisecond}}
	for _, test := range []struct {
		name   string
		status node.Status
		want   []string // the texts
	}{
		{"well", node.Status{Peers: peer}, nil},
		{"alone", node.Status{}, []string{"this node is alone"}},
		{"nobody came", node.Status{URLs: []string{"ws://a"}}, []string{"nobody has joined this node yet"}},
		{"nobody answers", node.Status{Bootstraps: []node.BootstrapInfo{{URL: "ws://a", LastError: "refused"}}},
			[]string{"no link is up", "the bootstrap URL ws://a does not answer: refused"}},
		{"one of two answers", node.Status{Peers: peer, Bootstraps: []node.BootstrapInfo{{URL: "ws://a", LastError: "old", Linked: true}, {URL: "ws://b", LastError: "refused"}}},
			[]string{"the bootstrap URL ws://b does not answer: refused"}},
		{"leaf without a home", node.Status{Leaf: true, Peers: peer}, []string{"this leaf is not attached: nobody finds it yet"}},
		{"late link", node.Status{Peers: []node.PeerInfo{{Suspect: true}, {}}}, []string{"1 of 2 links are late with acks; frames avoid them"}},
		{"limits", node.Status{Peers: peer, Limits: []node.LimitUse{{Name: "ports", Used: 3, Max: 3}, {Name: "leaf-links"}}, LimitsHit: map[string]uint64{"store-full": 1, "queue-full": 2}},
			[]string{"ports is at its limit of 3", "queue-full: dropped or refused 2 times since the start, because a bound was reached",
				"store-full: dropped or refused 1 times since the start, because a bound was reached"}},
		{"robbed", node.Status{URLs: []string{"ws://a"}, IdentityInUseAt: time.Now()},
			[]string{"identity in use elsewhere: a peer told 0s ago that another node has this one's key, and that one got the link", "nobody has joined this node yet"}},
		{"robbed long ago", node.Status{Peers: peer, IdentityInUseAt: time.Now().Add(-time.Hour)}, nil},
		{"the port is full", node.Status{Peers: peer, LimitsHit: map[string]uint64{"connection-limit": 9}, LimitsHitAt: map[string]time.Time{"connection-limit": time.Now()}},
			[]string{"connection-limit: dropped or refused 9 times since the start, because a bound was reached; the last time 0s ago"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, h := range health(&test.status) {
				got = append(got, h.Text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAFullPortIsAWarningForAWhile(t *testing.T) {
	for ago, want := range map[time.Duration]string{time.Second: "warn", time.Hour: "note"} {
		s := node.Status{LimitsHit: map[string]uint64{"connection-limit": 9}, LimitsHitAt: map[string]time.Time{"connection-limit": time.Now().Add(-ago)}}
		if got := limitHealth(&s, "connection-limit"); got.Level != want || want == "warn" && got.Hint == "" {
			t.Errorf("%v ago: got %+v, want %s", ago, got, want)
		}
	}
}
