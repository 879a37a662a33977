package testnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
)

// soon bounds what takes far less, so that only a fault runs into it.
const soon = 15 * time.Second

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	overdue := time.After(soon)
	for !ok() {
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("got nothing for %v, want %s", soon, what)
		}
	}
}

func TestEveryPairDelivers(t *testing.T) {
	var talk strings.Builder
	n := Start(t, Options{Nodes: 10, Seed: 1, Progress: &talk})
	r := n.Deliver(t.Context(), n.AllPairs())
	if r.Sent != 90 || r.Delivered != 90 || len(r.Failures) > 0 {
		t.Errorf("got %+v, want 90 messages sent and delivered, no failures", r)
	}
	if r.Hops.P50 < 1 || r.LatencyMs.Mean <= 0 || r.SettledMs <= 0 || r.Links.Mean < 1 || r.Links.Max > 24 {
		t.Errorf("got %+v, want hops, latencies, the time to settle and links", r)
	}
	if want := "starting 10 nodes\n"; talk.String() != want {
		t.Errorf("progress: got %q, want %q", &talk, want)
	}
}

func TestLeavesAreReached(t *testing.T) {
	n := Start(t, Options{Nodes: 10, Leaves: 0.5, Seed: 2})
	if _, err := n.AddLeaf(t.Context()); err != nil {
		t.Fatal(err)
	}
	var leaves int
	for i, m := range n.all() {
		if !m.leaf {
			continue
		}
		leaves++
		if len(m.node.URLs()) > 0 || i == 0 {
			t.Errorf("leaf %d: got URLs %q, want none, and the first node to be a relay", i, m.node.URLs())
		}
	}
	if leaves != 6 {
		t.Errorf("leaves: got %d, want 6", leaves)
	}
	if err := n.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := n.Deliver(t.Context(), n.AllPairs()); r.Delivered != r.Sent || r.LeafLinks.Max < 1 {
		t.Errorf("got %+v, want all delivered and relays with links to leaves", r)
	}
}

func TestPartitionAndHeal(t *testing.T) {
	n := Start(t, Options{Nodes: 5, Seed: 3})
	n.Partition([]int{4})
	eventually(t, "no link across the cut", func() bool { return len(n.Graph()[4]) == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if r := n.Deliver(ctx, []Pair{{0, 4}, {4, 0}}); r.Delivered != 0 || len(r.Failures) > 0 {
		t.Errorf("across the cut: got %+v, want nothing delivered, and no failure of the network", r)
	}
	if _, err := n.Add(t.Context()); err != nil {
		t.Fatalf("a node more: %v", err)
	}
	if r := n.Deliver(t.Context(), []Pair{{0, 5}, {5, 3}}); r.Delivered != 2 {
		t.Errorf("on one side: got %+v, want all delivered", r)
	}
	n.Heal()
	eventually(t, "a link across the cut", func() bool { return len(n.Graph()[4]) > 0 })
	if r := n.Deliver(t.Context(), []Pair{{0, 4}, {4, 0}}); r.Delivered != 2 {
		t.Errorf("after the cut: got %+v, want all delivered", r)
	}
}

// What is sent during a cut between nodes that know each other arrives after it, and
// so does what is sent at its very end.
func TestSendsOutlastAPartition(t *testing.T) {
	n := Start(t, Options{Nodes: 5, Seed: 3})
	pairs := []Pair{{0, 4}, {4, 0}, {1, 4}, {4, 2}}
	if r := n.Deliver(t.Context(), pairs); r.Delivered != len(pairs) {
		t.Fatalf("before the cut: got %+v, want all delivered", r)
	}
	n.Partition([]int{4})
	eventually(t, "no link across the cut", func() bool { return len(n.Graph()[4]) == 0 })
	during := make(chan Report, 1)
	go func() { during <- n.Deliver(t.Context(), pairs) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if r := n.Deliver(ctx, pairs); r.Delivered != 0 || len(during) > 0 {
		t.Errorf("across the cut: got %+v, and all else given up: %v; want nothing delivered or given up", r, len(during) > 0)
	}
	n.Heal()
	for name, r := range map[string]Report{"at its end": n.Deliver(t.Context(), pairs), "during the cut": <-during} {
		if r.Delivered != len(pairs) {
			t.Errorf("%s: got %+v, want all delivered", name, r)
		}
	}
}

// Each side of a cut settles by itself; after it both have to be one network.
func TestWaitReadyAfterHeal(t *testing.T) {
	n := Start(t, Options{Nodes: 6, Seed: 5})
	group := []int{3, 4, 5}
	across := func() (links int) {
		for _, i := range group {
			for _, j := range n.Graph()[i] {
				if !slices.Contains(group, j) {
					links++
				}
			}
		}
		return links
	}
	n.Partition(group)
	eventually(t, "no link across the cut", func() bool { return across() == 0 })
	if err := n.WaitReady(t.Context()); err != nil {
		t.Fatalf("while cut: %v", err)
	}
	n.Heal()
	if err := n.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if across() == 0 {
		t.Error("got ready without a link between the two sides")
	}
}

func TestFaultOfOnePair(t *testing.T) {
	n := Start(t, Options{Nodes: 2, Seed: 4})
	linked := func() bool { return len(n.Graph()[0]) > 0 }
	n.SetLink(0, 1, LinkCut)
	eventually(t, "no link", func() bool { return !linked() })
	n.SetLink(0, 1, LinkUp)
	eventually(t, "a link", linked)
	n.SetLink(1, 0, LinkSilent)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if r := n.Deliver(ctx, []Pair{{0, 1}}); r.Delivered != 0 || !linked() {
		t.Errorf("silent link: got %+v, open %v, want nothing delivered and the link open", r, linked())
	}
	n.SetLink(0, 1, LinkUp)
	eventually(t, "an ack", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return n.Deliver(ctx, []Pair{{0, 1}}).Delivered == 1
	})
}

func TestRunDoesWhatTheOptionsSay(t *testing.T) {
	var talk strings.Builder
	n, err := New(t.Context(), Options{
		Nodes: 8, Seed: 5, Duration: time.Millisecond, Kill: 0.25, Silent: 0.5, Partition: 0.5, Cut: time.Millisecond, Progress: &talk,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	r, err := n.Run(t.Context())
	if err != nil || r.Nodes != 6 || len(r.Failures) > 0 {
		t.Errorf("got %+v, %v, want 6 nodes left and no failures", r, err)
	}
	for _, want := range []string{"settled ", "living for 1ms", "killing 2 nodes, 1 of them silently", "cutting 3 nodes off for 1ms"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("progress: got %q, want %q in it", &talk, want)
		}
	}
}

func TestRunSendsItsMessages(t *testing.T) {
	var talk strings.Builder
	n, err := New(t.Context(), Options{Nodes: 4, Seed: 6, Messages: 20, Progress: &talk})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if r, err := n.Run(t.Context()); err != nil || r.Delivered != 20 || len(r.Failures) > 0 {
		t.Errorf("got %+v, %v, want 20 delivered and no failures; it said:\n%s", r, err, &talk)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	n, err := New(t.Context(), Options{Nodes: 2, Seed: 7, Duration: time.Hour, Messages: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
	if r, err := n.Run(ctx); !errors.Is(err, enough) || r.Sent != 0 || r.Nodes != 2 {
		t.Errorf("got %+v, %v, want no message and the context's cause", r, err)
	}
}

func TestRunWithNobodyToTalkTo(t *testing.T) {
	n, err := New(t.Context(), Options{Nodes: 1, Messages: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if r, err := n.Run(t.Context()); !errors.Is(err, errNoPairs) || r.Nodes != 1 {
		t.Errorf("got %+v, %v, want %v", r, err, errNoPairs)
	}
}

func TestRunPairs(t *testing.T) {
	up, leaf := func() *member { return &member{} }, func() *member { return &member{leaf: true} }
	for _, test := range []struct {
		name    string
		members []*member
		cut     []int
		want    string // the different pairs
	}{
		{"relays", []*member{up(), up()}, nil, "[{0 1} {1 0}]"},
		{"leaves", []*member{up(), leaf(), up(), leaf()}, nil, "[{1 3} {3 1}]"},
		{"one leaf", []*member{up(), leaf()}, nil, "[{0 1} {1 0}]"},
		{"across the cut", []*member{up(), up(), up()}, []int{1}, "[{0 1} {1 0} {1 2} {2 1}]"},
		{"a cut with one side", []*member{up(), up()}, []int{0, 1}, "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := &Net{opts: Options{Messages: 200}, members: test.members, wasCut: test.cut, rand: rand.New(rand.NewPCG(1, 1))}
			pairs := n.runPairs()
			slices.SortFunc(pairs, func(a, b Pair) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
			if got := fmt.Sprint(slices.Compact(pairs)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestNewTellsAllMistakes(t *testing.T) {
	_, err := New(t.Context(), Options{
		Nodes: -1, Homes: 5, MaxPeers: -1, Leaves: 1.5, Kill: -0.1, Cut: -time.Second,
		Loss: 0.01, LatencyMin: time.Millisecond, Session: time.Minute, Sybils: 1, Nearest: true,
	})
	got := fmt.Sprint(err)
	for _, want := range []string{
		"Nodes is -1: give 1 to", "Homes is 5: give 1 to 4", "MaxPeers is -1", "Leaves is 1.5: give a share from 0 to 1", "Kill is -0.1", "Cut is -1s",
		"Loss is for virtual time alone: use Sim", "LatencyMin is for", "Session is for", "Sybils is for", "Nearest is for",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

func TestNewEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := New(ctx, Options{Nodes: 3}); n != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want no network and the context's error", n, err)
	}
}

func TestAddAfterClose(t *testing.T) {
	n, err := New(t.Context(), Options{Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("close: got %v, want no error", err)
	}
	if _, err := n.Add(t.Context()); err == nil {
		t.Error("add after close: got a node, want an error")
	}
	if err := n.Close(); err != nil {
		t.Errorf("second close: got %v, want no error", err)
	}
	if !slices.Equal(n.Running(), nil) || len(n.Nodes()) != 1 {
		t.Errorf("got %v running of %d, want none of one", n.Running(), len(n.Nodes()))
	}
	if err := n.Nodes()[0].Send(t.Context(), n.Nodes()[0].ID(), nil); !errors.Is(err, node.ErrClosed) {
		t.Errorf("send: got %v, want %v", err, node.ErrClosed)
	}
	if n.RandomPairs(3) != nil || len(n.AllPairs()) != 0 {
		t.Error("pairs without nodes: got some, want none")
	}
}

func TestRandomPairs(t *testing.T) {
	n := Start(t, Options{Nodes: 4, Seed: 8})
	n.Kill(1)
	seen := make(map[Pair]bool)
	for _, p := range n.RandomPairs(500) {
		if p.From == p.To || p.From == 1 || p.To == 1 {
			t.Fatalf("got %v, want two different nodes that run", p)
		}
		seen[p] = true
	}
	if len(seen) != 6 {
		t.Errorf("got %d different pairs of 3 nodes, want 6", len(seen))
	}
}

// complaints is a test that only keeps how it was told to end.
type complaints struct {
	fatal    string
	cleanups []func()
}

func (c *complaints) Helper()                           {}
func (c *complaints) Logf(string, ...any)               {}
func (c *complaints) Fatalf(format string, args ...any) { c.fatal = fmt.Sprintf(format, args...) }
func (c *complaints) Cleanup(f func())                  { c.cleanups = append(c.cleanups, f) }

func TestStartEndsATestThatItCannotServe(t *testing.T) {
	var c complaints
	if n := Start(&c, Options{Leaves: 2}); n != nil || !strings.HasPrefix(c.fatal, "testnet: options: Leaves is 2") {
		t.Errorf("got %v, %q, want no network and why", n, c.fatal)
	}
}

func TestStartClosesAtTheEnd(t *testing.T) {
	var c complaints
	n := Start(&c, Options{Nodes: 2})
	for _, f := range c.cleanups {
		f()
	}
	if c.fatal != "" || len(n.Running()) != 0 {
		t.Errorf("got %q, %v running, want no complaint and none", c.fatal, n.Running())
	}
	<-n.Nodes()[1].Done()
}
