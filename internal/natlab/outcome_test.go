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

// sections are the tables of this run; TestMain writes them at its end.
var sections []string

// show prints the outcomes, and keeps them for the table's file if all is well.
func show(t *testing.T, title string, all []outcome) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n", title)
	b.WriteString("| first behind | second behind | way | time to connect | messages |\n|---|---|---|---|---|\n")
	for _, o := range all {
		b.WriteString(o.row())
	}
	fmt.Print(b.String())
	if !t.Failed() {
		sections = append(sections, b.String())
	}
}

// writeTable writes the tables of a run in which nothing failed and nothing was
// skipped.
func writeTable() error {
	if *table == "" || len(sections) == 0 {
		return nil
	}
	return os.WriteFile(*table, []byte(preface+strings.Join(sections, "")), 0o644)
}

// preface begins the table's file.
const preface = `# Behind address translators

Two nodes without a URL, each behind a translator and joined by another relay, as ` + "`make natlab`" + ` runs
them in network namespaces. The first node makes the offer. The lab has no other server than the
mesh's relays, no delay on the wire, and 2 shared cores.

* **full cone**: one outer port for all targets; whoever sends to it gets in.
* **port-restricted**: one outer port for all targets; only a target that was sent to gets in, from the same port.
* **symmetric**: another outer port for each target; only that target gets in.
* **UDP blocked**: TCP alone.

No translator has a hairpin. *direct* is followed by the types of the two candidates in use, the first
one's own before the other's.
`
