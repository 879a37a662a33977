package admin

import (
	"fmt"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
)

// openFilesHealth is about a process that is about to have no room for another
// connection, whoever has the others: nobody can join then.
func openFilesHealth(s *node.Status) []Health {
	for _, l := range s.Limits {
		if l.Name != openFilesLimit || l.Max <= 0 || l.Used < l.Max-l.Max/10 {
			continue
		}
		links := len(s.Peers)
		return []Health{{
			"warn", fmt.Sprintf("%d of %d files that this process may have open are in use, of them %d by links: nobody can join while none is free", l.Used, l.Max, links),
			"give it more (ulimit -n, LimitNOFILE= of systemd); where few are links somebody opens connections and says nothing, which a firewall can slow",
		}}
	}
	return nil
}

// leadsHere says that a bootstrap URL leads to the node itself. Of one among others
// there is nothing to say: nodes that share a list of URLs each find themselves in it.
func leadsHere(b *node.BootstrapInfo) bool { return !b.Linked && b.Reason == reason.OwnID.String() }

// selfHealth is about a node whose bootstrap URLs all lead to itself: it joins nobody,
// whatever its links.
func selfHealth(s *node.Status) []Health {
	for _, b := range s.Bootstraps {
		if !leadsHere(&b) {
			return nil
		}
	}
	if len(s.Bootstraps) == 0 {
		return nil
	}
	return []Health{{
		"warn", "every bootstrap URL leads to this node itself: it joins nobody, and waits for others to join it",
		"give the URL of another node; of the first node of a mesh leave --bootstrap out",
	}}
}
