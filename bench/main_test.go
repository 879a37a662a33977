package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/bench/trials"
)

func TestMain(m *testing.M) {
	if trials.RelayChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestParse(t *testing.T) {
	cases := []struct {
		name, args, wantErr string
	}{
		{"defaults", "", ""},
		{"one of each", "--systems ws --size 100 --modes echo --rounds 1", ""},
		{"unknown system", "--systems ws,udp", `system "udp"`},
		{"size too small", "--size 15", `size "15"`},
		{"size too large", "--size 60001", `size "60001"`},
		{"unknown mode", "--modes fast", `mode "fast"`},
		{"no rounds", "--rounds 0", "above zero"},
		{"stray argument", "all", "no arguments"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(strings.Fields(c.args), new(bytes.Buffer))
			if got := errText(err); (got == "") != (c.wantErr == "") || !strings.Contains(got, c.wantErr) {
				t.Errorf("got error %q, want %q", got, c.wantErr)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDefaultRunTakesAtMostTwelveMinutes(t *testing.T) {
	o, err := parse(nil, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	if got := newPlan(o).expected().Minutes(); got > 12 {
		t.Errorf("got %.1f minutes, want at most 12", got)
	}
}

func TestRunReports(t *testing.T) {
	var out, log bytes.Buffer
	args := "--rounds 1 --time 100ms --size 64 --links 4 --json - --systems tcp,sealed --modes win,own,echo,hop,idle,overhead,first"
	if code := run(strings.Fields(args), &out, &log); code != 0 {
		t.Fatalf("got exit code %d, want 0: %s %s", code, &log, &out)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if got := []int{len(r.Throughput), len(r.Echo), len(r.Hop), len(r.Idle), len(r.Overhead), len(r.First)}; !slices.Equal(got, []int{12, 2, 2, 1, 2, 2}) {
		t.Errorf("got %v rows, want 12 2 2 1 2 2", got)
	}
	for _, row := range r.Throughput {
		if row.Median.PerSecond <= 0 || row.Ratios["tcp"] <= 0 || row.Ratios["sealed"] <= 0 {
			t.Errorf("got %+v, want a rate and ratios to tcp and sealed", row)
		}
	}
	for _, title := range []string{"64 B, 1 relay", "1024 B, 2 relay", "Round trip", "second relay", "idle link end", "on the wire", "first message"} {
		if !strings.Contains(r.markdown(), title) {
			t.Errorf("got no table %q in:\n%s", title, r.markdown())
		}
	}
}

func TestPeersAreSetBesideTheNode(t *testing.T) {
	at := func(mode string, size, relays int, x ratios) throughput {
		return throughput{System: "peermesh", Mode: mode, Size: size, Relays: relays, Ratios: x}
	}
	r := report{Throughput: []throughput{
		at("win", 1024, 1, ratios{"nats": 0.951, "ironwood": 7.9}),
		at("own", 1024, 1, ratios{"nats": 0.79, "ironwood": 7.9}),
		at("win", 1024, 2, ratios{"nats": 1.2}),
		at("win", 16384, 1, ratios{"nats": 0.5, "libp2p": 1.4}),
		{System: "tcp", Mode: "win", Size: 1024, Relays: 1, Ratios: ratios{"nats": 3}},
	}}
	var b strings.Builder
	r.peerTable(&b)
	_, got, _ := strings.Cut(b.String(), "|---|---|---|---|---|---|---|\n")
	want := `| 1024 B | 1 | win | 0.95 (0.95) | - | - | **7.90** (8) |
| 1024 B | 1 | own | **0.79** (0.8) | - | - | 7.90 |
| 1024 B | 2 | win | 1.20 (1.1) | - | - | - |
| 16384 B | 1 | win | 0.50 | **1.40** (1.5) | - | - |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := len(r.besides()); got != 7 {
		t.Errorf("got %d cells, want 7", got)
	}
}

func TestFailureIsReported(t *testing.T) {
	p := newPlan(options{rounds: 1})
	p.note(errFake{})
	p.note(errFake{})
	if r := p.report(); len(r.Failures) != 1 || !strings.Contains(r.markdown(), "FAILED: fake") {
		t.Errorf("got %v, want the failure once", r.Failures)
	}
}

type errFake struct{}

func (errFake) Error() string { return "fake" }
