//go:build linux

package natlab

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// outcome is what became of a pair.
type outcome struct {
	pairing
	sent, arrived int           // messages, both directions together
	link          bool          // there is a direct one
	path          string        // types of its candidates, as the first node sees them: "own/peer's"
	took          time.Duration // until it was there, or the attempt was given up; 0: none was made
}

func (o outcome) row() string {
	first, second := string(o.a), string(o.b)
	switch o.layout {
	case samePrefix:
		second += ", same private addresses"
	case together:
		second = "the same"
	}
	way, messages, took := "relayed", "", fmt.Sprintf("%d ms", o.took.Milliseconds())
	if o.link {
		way = "direct, " + o.path
	} else if took = ""; o.took > 0 {
		took = fmt.Sprintf("given up after %.1f s", o.took.Seconds())
	}
	if o.sent > 0 {
		messages = fmt.Sprintf("%d of %d", o.arrived, o.sent)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", first, second, way, took, messages)
}

// outcomes is the table of this run; TestMain writes it at its end.
var outcomes string

// show prints the table, and keeps it for its file if all is well.
func show(t *testing.T, all []outcome) {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n| first behind | second behind | way | time to connect | messages |\n|---|---|---|---|---|\n")
	for _, o := range all {
		b.WriteString(o.row())
	}
	fmt.Print(b.String())
	if !t.Failed() {
		outcomes = b.String()
	}
}

// writeTable writes the table of a run in which nothing failed and nothing was
// skipped.
func writeTable() error {
	if *table == "" || outcomes == "" {
		return nil
	}
	return os.WriteFile(*table, []byte(preface+outcomes), 0o644)
}

// preface begins the table's file.
const preface = `# Behind address translators

Two nodes without a URL, each behind a translator and joined by another relay, as ` + "`make natlab`" + ` runs
them in network namespaces. They send to each other by ID, the first one asks for a direct link (` + "`Connect`" + `), and
they send again. The lab has no other server than the mesh's two relays, which tell each node its outer
address; there is no delay on the wire, and the 18 cells run six at once on 2 shared cores.

* **full cone**: one outer port for all targets; whoever sends to it gets in.
* **port-restricted**: one outer port for all targets; only a target that was sent to gets in, from the same port.
* **symmetric**: another outer port for each target; only that target gets in.
* **UDP blocked**: TCP alone.

Each shape is measured with bare sockets first. No translator sends back what comes from inside for its outer
address. *direct* is followed by the types of the two candidates in use, the first node's own before the other's.

The lab also cuts UDP under a direct link that is in use: all messages are acknowledged, by relays, and the link
ends within 10 s. Two that talk much, and two nodes of the program without a port, get their link unasked; two
that ask each other at once get one. Nodes with a link to their own machine and one to their LAN meet on either,
without a server.
`
