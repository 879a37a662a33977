package admin

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/hint"
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
func health(s *node.Status, now time.Time) []Health {
	all := append([]Health{}, identityHealth(s, now)...)
	for _, w := range s.Warnings {
		all = append(all, Health{"warn", w.Text, w.Hint})
	}
	all = append(all, linkHealth(s)...)
	for _, b := range s.Bootstraps {
		if !b.Linked && b.LastError != "" && !leadsHere(&b) {
			what := "does not answer"
			if b.Stage != "" && b.Stage != "resolve" && b.Stage != "connect" {
				what = "is no way into the mesh"
			}
			all = append(all, Health{"warn", fmt.Sprintf("the bootstrap URL %s %s: %s", b.URL, what, b.LastError), "it is tried again for ever; " + hint.Join(b.Stage, b.Reason)})
		}
	}
	for _, l := range s.Limits {
		if l.Max > 0 && l.Used >= l.Max && l.Name != openFilesLimit {
			all = append(all, Health{"note", fmt.Sprintf("%s is at its limit of %d", l.Name, l.Max), ""})
		}
	}
	all = append(all, selfHealth(s)...)
	all = append(all, openFilesHealth(s)...)
	all = append(all, proxyHealth(s, now)...)
	all = append(all, networkHealth(s, now)...)
	return append(all, boundHealth(s, now)...)
}

// lately is how long ago a bound may have been hit to be a matter of now.
const lately = time.Minute

// bound is what a reason says that stands for one, and what to do.
type bound struct{ text, hint string }

var bounds = map[string]bound{
	"queue-full":    {"the outgoing queue of a link had no room", "send less at once, or give the line more; peermesh peers tells how full each queue is"},
	"port-full":     {"the queue of a port had no room", "its program takes messages slower than they come"},
	"detour-budget": {"what came by one link looked for too many ways round", "links that are late cause that; peermesh peers tells which"},
	"rate-limited":  {"a peer wanted more than its share", "nothing, unless it goes on: then see the log at level debug for who"},
	"session-limit": {"too many handshakes or sessions were under way", "nothing, unless it goes on: more peers talk to this node than it holds"},
	"group-limit":   {"one address group has its share of the places, and none is free", "name a proxy of yours with --trusted-proxy; --max-peers gives more places"},
	"link-limit":    {"there was no place for another link", "--max-peers, --max-leaves and --max-webrtc give more"},
	"memory-limit":  {"a link, a session or a port held as much as its part of the node's memory", "--max-memory gives more; peermesh peers tells which queue is full"},
	"store-full":    {"there was no room for another leaf's record", "nothing: other nodes hold it too"},
	"connection-limit": {"the port had no room for a connection", fmt.Sprintf(
		"somebody opens more connections to the port than %d at once or %d a second in all, or %d at once from one address: a firewall can slow them; if it is a proxy of yours, name it with --trusted-proxy",
		limits.HTTPConns, limits.HTTPConnRate, limits.HTTPConnsPerSource)},
	connectionsLimit: {"the admin page had no room for a connection", "scrapers, browsers or profiles have them all"},
}

// boundHealth tells the bounds that were reached of late. That the port is full keeps
// others from joining.
func boundHealth(s *node.Status, now time.Time) (all []Health) {
	for _, name := range slices.Sorted(maps.Keys(s.LimitsHitAt)) {
		ago := now.Sub(s.LimitsHitAt[name])
		if ago > lately {
			continue
		}
		level, b := "note", bounds[name]
		if name == reason.ConnectionLimit.String() {
			level = "warn"
		}
		text := fmt.Sprintf("%s: %s; %d times since the start, last %v ago", name, b.text, s.LimitsHit[name], max(ago, 0).Truncate(time.Second))
		all = append(all, Health{level, text, b.hint})
	}
	return all
}

// identityHealth is about another node with the same key: as long as both run,
// each takes the other's links every now and then.
func identityHealth(s *node.Status, now time.Time) []Health {
	ago := now.Sub(s.IdentityInUseAt).Round(time.Second)
	if s.IdentityInUseAt.IsZero() || ago > 2*limits.ReplacedWaitMax {
		return nil
	}
	return []Health{{
		"warn", fmt.Sprintf("identity in use elsewhere: %s ago another process proved that it has this node's key", max(ago, 0)),
		"stop one of the two; each node needs a --state of its own, which is not to be copied",
	}}
}

// proxyHealth is about a proxy that hides who comes: all its clients share the place
// of one address.
func proxyHealth(s *node.Status, now time.Time) []Health {
	if ago := now.Sub(s.UndeclaredProxyAt); s.UndeclaredProxy == "" || ago > limits.EdgeWarnings {
		return nil
	}
	return []Health{{
		"warn", fmt.Sprintf("clients come by a proxy at %s that is not trusted: all of them count as one address, and few get links with relays; none where it sends PROXY protocol headers", s.UndeclaredProxy),
		"--trusted-proxy " + s.UndeclaredProxy + " tells them apart, if it is yours and sends X-Forwarded-For or PROXY protocol headers",
	}}
}

// networkHealth is about a network that has changed a moment ago: what is wrong may be
// due to that, and over soon.
func networkHealth(s *node.Status, now time.Time) []Health {
	ago := now.Sub(s.NetworkChangeAt)
	if s.NetworkChanges == 0 || ago > lately {
		return nil
	}
	return []Health{{"note", fmt.Sprintf("the network of this machine changed %s ago: %s", max(ago, 0).Round(time.Second), s.NetworkChange), ""}}
}

// hadPeers says that there was a link since the start.
func hadPeers(s *node.Status) bool {
	return slices.ContainsFunc(s.Traffic, func(t node.Traffic) bool { return t.RxBytes > 0 || t.RxFrames > 0 })
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
	case len(s.Peers) == 0 && len(s.URLs) > 0 && hadPeers(s):
		all = append(all, Health{"note", fmt.Sprintf("no link is up: those who had joined this node have left; it forwarded %d frames for them", s.Forwarded), "peermesh --port 0 --bootstrap " + s.URLs[0]})
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
