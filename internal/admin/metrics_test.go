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
		"peermesh_queue_fill_ratio", "peermesh_table_entries", "peermesh_dials_total", "peermesh_limit_used", "peermesh_limit_max",
		"go_goroutines", "process_start_time_seconds",
	} {
		if families[name] == nil {
			t.Errorf("got no %s", name)
		}
	}
	want := map[string]string{"transport": "ws", "dir": "in", "role": "leaf"}
	m := families["peermesh_links"].GetMetric()
	if len(m) != 1 || m[0].GetGauge().GetValue() != 1 {
		t.Fatalf("peermesh_links: got %v, want one link", m)
	}
	for _, l := range m[0].GetLabel() {
		if want[l.GetName()] != l.GetValue() {
			t.Errorf("peermesh_links: got %s=%s, want %s", l.GetName(), l.GetValue(), want[l.GetName()])
		}
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
	relay := startNode(t, node.Config{MaxPeers: 9, MaxLeaves: 3})
	err := testutil.CollectAndCompare(newCollector(Config{Node: relay, Version: "1.2.3"}), strings.NewReader(fmt.Sprintf(`
# HELP peermesh_limit_max The bound.
# TYPE peermesh_limit_max gauge
peermesh_limit_max{limit="leaf-links"} 3
peermesh_limit_max{limit="links-under-way"} 256
peermesh_limit_max{limit="loop-queue"} 1024
peermesh_limit_max{limit="ports"} 1024
peermesh_limit_max{limit="relay-links"} 9
peermesh_limit_max{limit="sessions"} 4096
# HELP peermesh_dials_total Dials by how they ended.
# TYPE peermesh_dials_total counter
peermesh_dials_total{result="failed"} %d
peermesh_dials_total{result="linked"} %d
`, 0, 0)), "peermesh_limit_max", "peermesh_dials_total")
	if err != nil {
		t.Error(err)
	}
}
