package admin

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	rulesDir = "../../deploy/prometheus"

	// requireTools fails the tests that need Prometheus's tool where it is missing.
	requireTools = "REQUIRE_LAB_TOOLS"
)

func TestAlertsByPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv(requireTools) != "" {
		t.Fatal(requireTools, " is set: ", err)
	}
	if err != nil {
		t.Skip("no promtool here, which Debian has in its package prometheus: ", err)
	}
	for _, args := range [][]string{{"check", "rules", "peermesh.rules.yml"}, {"test", "rules", "peermesh.rules.test.yml"}} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = rulesDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	check := exec.Command(tool, "check", "metrics")
	check.Stdin = ask(newHandler(t), "GET", "/metrics", "").Body
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// The rules name metrics that a node has.
func TestAlertsAreOfMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(rulesDir, "peermesh.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	has := make(map[string]bool)
	all := make(chan *prometheus.Desc, 100)
	newCollector(Config{}).Describe(all)
	close(all)
	name := regexp.MustCompile(`fqName: "([a-z_]+)"`)
	for d := range all {
		has[name.FindStringSubmatch(d.String())[1]] = true
	}
	named := regexp.MustCompile(`peermesh_[a-z_]+`).FindAllString(string(text), -1)
	if len(named) < 10 {
		t.Fatalf("got %d names of metrics, want those of all rules", len(named))
	}
	for _, n := range named {
		if !has[n] {
			t.Errorf("a rule is about %s, which no node has", n)
		}
	}
	tests, err := os.ReadFile(filepath.Join(rulesDir, "peermesh.rules.test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(tests), "        alertname: "+m[1]+"\n        exp_alerts:") {
			t.Errorf("no test has the alert %s fire", m[1])
		}
	}
}
