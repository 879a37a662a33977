package testnet

import (
	"strings"
	"testing"
)

// What the rows are to reach. A row whose constant is false is held to what it came
// to before there were links that know their line.
const (
	burstReached     = false
	overReached      = false
	lightReached     = false
	fairReached      = false
	besideReached    = true
	manyReached      = false
	longReached      = false
	alternateReached = true
	slowReached      = false
)

// bound is what a figure of a scenario may be: at least or at most.
type bound struct {
	figure string
	least  bool
	limit  float64
}

func atLeast(figure string, limit float64) bound { return bound{figure, true, limit} }
func atMost(figure string, limit float64) bound  { return bound{figure, false, limit} }

// lineRow is a scenario with what must be true of it.
type lineRow struct {
	name    string
	short   bool // cheap enough for each run of the tests, with one seed
	once    bool // so dear that one seed is enough
	run     func(t testing.TB, seed uint64) []figure
	reached bool
	target  []bound // once it is reached
	before  []bound // until then
}

// lineSeeds are those of the long form.
var lineSeeds = []uint64{1, 2, 3}

// The long form runs with -large, or make lines. With -v it prints the figures.
func TestLines(t *testing.T) {
	for _, row := range lineRows {
		t.Run(row.name, func(t *testing.T) {
			if !row.short && !*large {
				t.Skip("long: give -large")
			}
			seeds := lineSeeds
			if !*large || row.once {
				seeds = seeds[:1]
			}
			for _, seed := range seeds {
				row.check(t, seed)
			}
		})
	}
}

func (row *lineRow) check(t *testing.T, seed uint64) {
	t.Helper()
	figures := make(map[string]float64)
	var text []string
	for _, f := range row.run(t, seed) {
		figures[f.name] = f.value
		text = append(text, f.String())
	}
	t.Logf("seed %d: %s", seed, strings.Join(text, ", "))
	bounds := row.before
	if row.reached {
		bounds = row.target
	}
	for _, b := range bounds {
		got, ok := figures[b.figure]
		switch {
		case !ok:
			t.Errorf("got no figure %q, want one", b.figure)
		case b.least && !(got >= b.limit):
			t.Errorf("seed %d: got %s %.4g, want at least %.4g", seed, b.figure, got, b.limit)
		case !b.least && !(got <= b.limit):
			t.Errorf("seed %d: got %s %.4g, want at most %.4g", seed, b.figure, got, b.limit)
		}
	}
}

var (
	burstTarget = []bound{
		atLeast("arrive", 1), atMost("wire", 1.15), atLeast("goodput", .9), atMost("duplicates", .01), atMost("unknown", 0),
	}
	lightTarget = []bound{atLeast("arrive", 1), atMost("p99 ms", 150)}
	fairTarget  = []bound{atLeast("Jain", .98), atLeast("ours", .85)}
	peersTarget = []bound{atLeast("arrive", 1), atMost("untyped", 0), atMost("unknown", 0), atMost("KiB a peer", 30)}
)

var lineRows = []lineRow{
	{
		name: "burst", short: true, run: func(t testing.TB, seed uint64) []figure { return burst(t, seed, false) },
		reached: burstReached, target: burstTarget,
		before: []bound{atLeast("arrive", 1), atMost("wire", 1.3), atLeast("goodput", .3), atMost("duplicates", .08)},
	},
	{
		name: "burst at the first hop", short: true, run: func(t testing.TB, seed uint64) []figure { return burst(t, seed, true) },
		reached: burstReached, target: burstTarget,
		before: []bound{atLeast("arrive", .95), atMost("wire", 3), atLeast("goodput", .3)},
	},
	{
		name: "over", short: true, run: overload, reached: overReached,
		target: []bound{atLeast("goodput", .88), atMost("unknown", 0), atMost("p50 ms", 500)},
		before: []bound{atLeast("goodput", .4), atMost("p50 ms", 4_000)},
	},
	{
		name: "light beside 8 kB", short: true, run: func(t testing.TB, seed uint64) []figure { return light(t, seed, 8_000, 256) },
		reached: lightReached, target: lightTarget, before: []bound{atLeast("arrive", .99), atMost("p99 ms", 2_500)},
	},
	{
		name: "light beside 60 kB", short: true, run: func(t testing.TB, seed uint64) []figure { return light(t, seed, 60_000, 64) },
		reached: lightReached, target: lightTarget, before: []bound{atLeast("arrive", .99), atMost("p99 ms", 500)},
	},
	{
		name: "four ingresses", run: func(t testing.TB, seed uint64) []figure { return fair(t, seed, false, false) },
		reached: true, target: fairTarget,
	},
	{
		name: "one ingress", run: func(t testing.TB, seed uint64) []figure { return fair(t, seed, true, false) },
		reached: fairReached, target: fairTarget, before: []bound{atLeast("Jain", .75)},
	},
	{
		name: "beside TCP", run: func(t testing.TB, seed uint64) []figure { return fair(t, seed, false, true) },
		reached: besideReached, target: []bound{atLeast("Jain", .98), atLeast("TCP", .2), atLeast("ours", .2)}, // of half the line 40 %
	},
	{
		name: "many on 64 kbit/s", run: many, reached: manyReached,
		target: []bound{atLeast("goodput", .7)}, before: []bound{atLeast("goodput", .03)},
	},
	longRow("CUBIC", 0, false, .2),
	longRow("CUBIC 0.1 %", .001, false, .4),
	longRow("CUBIC 1 %", .01, false, .5),
	longRow("BBR", 0, true, .3),
	longRow("BBR 0.1 %", .001, true, .3),
	longRow("BBR 1 %", .01, true, .3),
	{
		name: "alternate", short: true, run: alternate, reached: alternateReached,
		target: []bound{atLeast("arrive", 1), atMost("p99 ms", 1_500), atMost("unknown", 0)},
	},
	{
		name: "slow64k", short: true, run: slow64k, reached: slowReached,
		target: []bound{atLeast("arrive", 1), atMost("copies", 1), atMost("wire", 1.15), atMost("p99 ms", 7_000)},
		before: []bound{atLeast("arrive", .5), atMost("wire", 8)},
	},
	{name: "peers 300", short: true, run: func(t testing.TB, seed uint64) []figure { return peers(t, seed, 300) }, reached: true, target: peersTarget},
	{ // beyond limits.Sessions each ends with its reason
		name: "peers 10000", once: true, run: func(t testing.TB, seed uint64) []figure { return peers(t, seed, 10_000) },
		reached: true, target: []bound{atLeast("arrive", .4), atMost("untyped", 0), atMost("unknown", 0), atMost("KiB a peer", 6)},
	},
}

func longRow(name string, loss float64, bbr bool, before float64) lineRow {
	return lineRow{
		name: "long " + name, run: func(t testing.TB, seed uint64) []figure { return long(t, seed, loss, bbr) },
		reached: longReached, target: []bound{atLeast("useful", .95)}, before: []bound{atLeast("useful", before)},
	}
}
