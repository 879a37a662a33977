package admin

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
)

// pair is a relay and a leaf that is linked with it.
func pair(t *testing.T) (relay, leaf *node.Node) {
	t.Helper()
	relay = startNode(t, node.Config{Listen: "127.0.0.1:0"})
	leaf = startNode(t, node.Config{Leaf: true, Homes: 1, Bootstrap: relay.URLs()})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := leaf.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return relay, leaf
}

func TestMetricsParse(t *testing.T) {
	relay, leaf := pair(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = leaf.Send(ctx, relay.ID(), []byte("refused, but sent")) // nobody listens there
	got := ask(NewHandler(Config{Node: relay, Version: "1.2.3"}), "GET", "/metrics", "")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(got.Body)
	if err != nil || got.Code != 200 {
		t.Fatalf("got %d, %v, want metrics that parse", got.Code, err)
	}
	for _, name := range []string{
		"peermesh_build_info", "peermesh_uptime_seconds", "peermesh_links", "peermesh_frames_total", "peermesh_bytes_total",
		"peermesh_queue_fill_ratio", "peermesh_table_entries", "peermesh_dials_total", "peermesh_limit_used", "peermesh_limit_max", "peermesh_limit_hits_total", "peermesh_drops_total",
		"peermesh_hops", "peermesh_forward_seconds",
		"go_goroutines", "process_start_time_seconds",
	} {
		if families[name] == nil {
			t.Errorf("got no %s", name)
		}
	}
	want := map[string]string{"transport": "ws", "dir": "in", "role": "leaf"}
	all := 0.
	for _, m := range families["peermesh_links"].GetMetric() {
		all += m.GetGauge().GetValue()
		for _, l := range m.GetLabel() {
			if m.GetGauge().GetValue() > 0 && want[l.GetName()] != l.GetValue() {
				t.Errorf("peermesh_links: got %s=%s, want %s", l.GetName(), l.GetValue(), want[l.GetName()])
			}
		}
	}
	if all != 1 {
		t.Errorf("peermesh_links: got %v links, want one", all)
	}
}

func TestMetricsFollowTheRules(t *testing.T) {
	relay, _ := pair(t)
	problems, err := testutil.CollectAndLint(newCollector(Config{Node: relay}))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if err := prometheus.NewPedanticRegistry().Register(newCollector(Config{Node: relay})); err != nil {
		t.Error(err)
	}
}

func TestMetricsOfAStatus(t *testing.T) {
	relay := startNode(t, node.Config{MaxPeers: 9, MaxLeaves: 3, MaxMemory: 64 << 20})
	err := testutil.CollectAndCompare(newCollector(Config{Node: relay, Version: "1.2.3"}), strings.NewReader(fmt.Sprintf(`
# HELP peermesh_limit_max The bound.
# TYPE peermesh_limit_max gauge
peermesh_limit_max{limit="leaf-links"} 3
peermesh_limit_max{limit="links-under-way"} 256
peermesh_limit_max{limit="loop-queue"} 1024
peermesh_limit_max{limit="memory"} 6.7108864e+07
peermesh_limit_max{limit="port-connections"} 1024
peermesh_limit_max{limit="ports"} 1024
peermesh_limit_max{limit="relay-links"} 9
peermesh_limit_max{limit="sessions"} 4096
peermesh_limit_max{limit="webrtc-links"} 32
peermesh_limit_max{limit="webrtc-stuck"} 16
# HELP peermesh_limit_hits_total What a bound of this node dropped or refused, by the name of it.
# TYPE peermesh_limit_hits_total counter
peermesh_limit_hits_total{limit="admin-connections"} 0
peermesh_limit_hits_total{limit="connection-limit"} 0
peermesh_limit_hits_total{limit="detour-budget"} 0
peermesh_limit_hits_total{limit="group-limit"} 0
peermesh_limit_hits_total{limit="link-limit"} 0
peermesh_limit_hits_total{limit="memory-limit"} 0
peermesh_limit_hits_total{limit="port-full"} 0
peermesh_limit_hits_total{limit="queue-full"} 0
peermesh_limit_hits_total{limit="rate-limited"} 0
peermesh_limit_hits_total{limit="session-limit"} 0
peermesh_limit_hits_total{limit="store-full"} 0
# HELP peermesh_dials_total Dials by how they ended.
# TYPE peermesh_dials_total counter
peermesh_dials_total{result="failed"} %d
peermesh_dials_total{result="linked"} %d
`, 0, 0)), "peermesh_limit_max", "peermesh_limit_hits_total", "peermesh_dials_total")
	if err != nil {
		t.Error(err)
	}
}

// collected are metrics that a test makes.
type collected func(m metrics)

func (collected) Describe(ch chan<- *prometheus.Desc)   { ch <- hops; ch <- forwardTime }
func (c collected) Collect(ch chan<- prometheus.Metric) { c(ch) }

func TestHistograms(t *testing.T) {
	err := testutil.CollectAndCompare(collected(func(m metrics) {
		m.hops([]node.HopsInfo{{Hops: 1, Frames: 10}, {Hops: 7, Frames: 2}})
		m.times(forwardTime, &node.Times{Count: 6, Total: time.Millisecond, Buckets: []node.TimeBucket{
			{AtMost: time.Microsecond, Count: 3}, {AtMost: 4 * time.Microsecond, Count: 2}, {Count: 1},
		}})
	}), strings.NewReader(`
# HELP peermesh_forward_seconds Time from opening a batch of frames to having queued them onward, of one batch in 64.
# TYPE peermesh_forward_seconds histogram
peermesh_forward_seconds_bucket{le="1e-06"} 3
peermesh_forward_seconds_bucket{le="4e-06"} 5
peermesh_forward_seconds_bucket{le="+Inf"} 6
peermesh_forward_seconds_sum 0.001
peermesh_forward_seconds_count 6
# HELP peermesh_hops Links that the delivered frames crossed.
# TYPE peermesh_hops histogram
peermesh_hops_bucket{le="1"} 10
peermesh_hops_bucket{le="2"} 10
peermesh_hops_bucket{le="3"} 10
peermesh_hops_bucket{le="4"} 10
peermesh_hops_bucket{le="5"} 10
peermesh_hops_bucket{le="6"} 10
peermesh_hops_bucket{le="8"} 12
peermesh_hops_bucket{le="12"} 12
peermesh_hops_bucket{le="16"} 12
peermesh_hops_bucket{le="32"} 12
peermesh_hops_bucket{le="64"} 12
peermesh_hops_bucket{le="+Inf"} 12
peermesh_hops_sum 24
peermesh_hops_count 12
`))
	if err != nil {
		t.Error(err)
	}
}

// An alert on nothing being there needs a series that says 0.
func TestWhatCanBeZeroIsThere(t *testing.T) {
	c := newCollector(Config{Node: startNode(t, node.Config{})})
	for name, want := range map[string]int{
		"peermesh_links": 8, "peermesh_bytes_total": 4, "peermesh_bootstraps": 2, "peermesh_dials_total": 2,
		"peermesh_frames_total": 7, "peermesh_warnings": len(warningParts), "peermesh_panics_total": 1,
		"peermesh_suspect_links": 1, "peermesh_table_entries": 1, "peermesh_sessions": 1, "peermesh_attached": 1,
		"peermesh_hops": 1, "peermesh_signal_seconds": 1, "peermesh_forward_seconds": 1, "peermesh_queue_fill_ratio": 1,
	} {
		if got := testutil.CollectAndCount(c, name); got != want {
			t.Errorf("%s of a node that is alone: got %d series, want %d", name, got, want)
		}
	}
}

// Whoever computes a rate needs the 0 before the first drop.
func TestEveryReasonIsThereFromTheStart(t *testing.T) {
	n := testutil.CollectAndCount(newCollector(Config{Node: startNode(t, node.Config{})}), "peermesh_drops_total")
	if n != reason.Count-1 {
		t.Errorf("got %d reasons, want all %d", n, reason.Count-1)
	}
}
