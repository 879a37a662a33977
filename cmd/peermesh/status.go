package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/node"
)

func statusCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show how a running node of this machine is",
		Description: describe("Prints who the node is, its links, bootstrap URLs, traffic, drops by reason and the limits it\n"+
			"hit, and in plain words what is wrong. Reads the admin page of the node.",
			"peermesh status",
			"peermesh status --watch 1s",
			"peermesh status --id a41c22e0 --json",
			"peermesh status --admin http://127.0.0.1:9090"),
		Flags: lookFlags(watchFlag()),
		Action: func(c *cli.Context) error {
			return showStatus(c, std,
				func(s *admin.Status) error { return printJSON(std.out, s) },
				writeStatus)
		},
	}
}

// facts are lines of a name and what there is to say.
type facts struct{ b strings.Builder }

func (f *facts) add(name, format string, args ...any) {
	fmt.Fprintf(&f.b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
}

// writeStatus prints a status for people.
func writeStatus(w io.Writer, s *admin.Status) error {
	f := &facts{}
	fmt.Fprintf(&f.b, "%s  %s, peermesh %s, up %s\n", s.ID, roleOf(s.Leaf), s.Version, shortTime(s.Uptime))
	for _, u := range s.URLs {
		f.add("url", "%s", u)
	}
	for _, h := range s.Homes {
		f.add("home", "%s", h.Short())
	}
	f.add("links", "%s", linkCounts(s.Peers))
	f.add("table", "relay links by bucket %s", bucketList(s.Table))
	for _, b := range s.Bootstraps {
		f.add("bootstrap", "%s  %s", b.URL, bootstrapState(b))
	}
	f.add("sessions", "%d", s.Sessions)
	if s.NetworkChanges > 0 {
		f.add("network", "changed %s, %s ago: %s", times(s.NetworkChanges), shortTime(time.Since(s.NetworkChangeAt)), s.NetworkChange)
	}
	f.add("frames", "%d forwarded, %d delivered", s.Forwarded, s.Delivered)
	for _, t := range s.Traffic {
		f.add("traffic", "%s: %s in, %s out", t.Transport, humanBytes(t.RxBytes), humanBytes(t.TxBytes))
	}
	f.add("dropped", "%s", reasonCounts(lost(s)))
	if len(s.DropsMoot) > 0 {
		f.add("moot", "%s (for nodes that had left or are not there, or what came twice)", reasonCounts(s.DropsMoot))
	}
	f.add("limits", "%s", limitUses(s.Limits))
	f.add("log level", "%s", s.LogLevel)
	if len(s.Health) == 0 {
		f.b.WriteString("ok    nothing is wrong\n")
	}
	for _, h := range s.Health {
		fmt.Fprintf(&f.b, "%-5s %s\n", h.Level, oneLine([]byte(h.Text)))
		if h.Hint != "" {
			fmt.Fprintf(&f.b, "      hint: %s\n", oneLine([]byte(h.Hint)))
		}
	}
	_, err := io.WriteString(w, f.b.String())
	return err
}

// lost are the drops but for those that plain use makes.
func lost(s *admin.Status) map[string]uint64 {
	all := maps.Clone(s.Drops)
	for name := range s.DropsMoot {
		delete(all, name)
	}
	return all
}

func roleOf(leaf bool) string {
	if leaf {
		return "leaf"
	}
	return "relay"
}

// linkCounts says how many links there are of each kind.
func linkCounts(peers []node.PeerInfo) string {
	leaves := 0
	for _, p := range peers {
		if p.Leaf {
			leaves++
		}
	}
	return fmt.Sprintf("%d with relays, %d with leaves", len(peers)-leaves, leaves)
}

// bucketList is the table as bucket:links.
func bucketList(table []node.BucketInfo) string {
	words := make([]string, len(table))
	for i, b := range table {
		words[i] = fmt.Sprintf("%d:%d", b.Bucket, b.Links)
	}
	return orNone(words)
}

func bootstrapState(b node.BootstrapInfo) string {
	if b.Linked {
		return "linked with " + b.Peer.Short()
	}
	state := fmt.Sprintf("not linked after %d tries", b.Attempts)
	if wait := time.Until(b.NextTry); !b.NextTry.IsZero() && wait > 0 {
		state += ", next in " + shortTime(wait)
	}
	if b.LastError != "" {
		state += ": " + oneLine([]byte(b.LastError))
	}
	return state
}

// reasonCounts lists drops, the most frequent first.
func reasonCounts(drops map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(drops), func(a, b string) int {
		return cmp.Or(cmp.Compare(drops[b], drops[a]), strings.Compare(a, b))
	})
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = fmt.Sprintf("%s %d", name, drops[name])
	}
	return orNone(words)
}

func limitUses(limits []node.LimitUse) string {
	words := make([]string, len(limits))
	for i, l := range limits {
		words[i] = fmt.Sprintf("%s %d/%d", l.Name, l.Used, l.Max)
		if l.Name == "memory" {
			words[i] = fmt.Sprintf("%s %s/%s", l.Name, humanBytes(uint64(l.Used)), humanBytes(uint64(l.Max)))
		}
	}
	return orNone(words)
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
