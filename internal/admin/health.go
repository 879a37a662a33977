package admin

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
)

// Health is one thing that whoever runs the node should know, in plain words.
type Health struct {
	Level string `json:"level"` // "warn": something is to be done; "note": good to know
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"` // what to do
}

// health finds what there is to say about a status; nothing when all is well.
func health(s *node.Status) []Health {
	all := append([]Health{}, identityHealth(s)...)
	all = append(all, linkHealth(s)...)
	for _, b := range s.Bootstraps {
		if !b.Linked && b.LastError != "" {
			all = append(all, Health{"warn", fmt.Sprintf("the bootstrap URL %s does not answer: %s", b.URL, b.LastError), "is a node running there? it is tried again for ever"})
		}
	}
	for _, l := range s.Limits {
		if l.Max > 0 && l.Used >= l.Max {
			all = append(all, Health{"note", fmt.Sprintf("%s is at its limit of %d", l.Name, l.Max), ""})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.LimitsHit)) {
		all = append(all, limitHealth(s, name))
	}
	return all
}

// lately is how long ago a bound may have been hit to be a matter of now.
const lately = time.Minute

// limitHealth is about a bound that was hit.
func limitHealth(s *node.Status, name string) Health {
	h := Health{"note", fmt.Sprintf("%s: dropped or refused %d times since the start, because a bound was reached", name, s.LimitsHit[name]), ""}
	at, ok := s.LimitsHitAt[name]
	if !ok {
		return h
	}
	ago := max(time.Since(at).Round(time.Second), 0)
	h.Text += fmt.Sprintf("; the last time %s ago", ago)
	if name == reason.ConnectionLimit.String() && ago <= lately {
		h.Level = "warn"
		h.Hint = fmt.Sprintf("somebody opens more connections to the port than %d in all, or %d from one address: a firewall can slow them; if it is a proxy of yours, name it with --trusted-proxy", limits.HTTPConns, limits.HTTPConnsPerSource)
	}
	return h
}

// identityHealth is about another node with the same key: as long as both run,
// each takes the other's links every now and then.
func identityHealth(s *node.Status) []Health {
	ago := time.Since(s.IdentityInUseAt).Round(time.Second)
	if s.IdentityInUseAt.IsZero() || ago > 2*limits.ReplacedWaitMax {
		return nil
	}
	return []Health{{
		"warn", fmt.Sprintf("identity in use elsewhere: a peer told %s ago that another node has this one's key, and that one got the link", max(ago, 0)),
		"stop one of the two; each node needs a --state of its own, which is not to be copied",
	}}
}

// linkHealth is about the way into the mesh.
func linkHealth(s *node.Status) (all []Health) {
	late := 0
	for _, p := range s.Peers {
		late += int(truth(p.Suspect))
	}
	switch {
	case len(s.Peers) == 0 && len(s.Bootstraps) > 0:
		all = append(all, Health{"warn", "no link is up", "see the errors of the bootstrap URLs"})
	case len(s.Peers) == 0 && len(s.URLs) > 0:
		all = append(all, Health{"note", "nobody has joined this node yet", "peermesh --port 0 --bootstrap " + s.URLs[0]})
	case len(s.Peers) == 0:
		all = append(all, Health{"warn", "this node is alone", "give --port to be joined, or --bootstrap to join"})
	case s.Leaf && !s.Attached:
		all = append(all, Health{"warn", "this leaf is not attached: nobody finds it yet", "it takes a moment after the start; is this machine's clock right?"})
	}
	if late > 0 {
		all = append(all, Health{"warn", fmt.Sprintf("%d of %d links are late with acks; frames avoid them", late, len(s.Peers)), ""})
	}
	return all
}
