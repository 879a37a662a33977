package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// figures is what bench prints with --json.
type figures struct {
	V             int                `json:"v"`
	Mode          string             `json:"mode"`
	Bytes         int                `json:"bytes"`
	Done          uint64             `json:"done"`
	Failed        map[string]uint64  `json:"failed"`
	MsgsPerSecond float64            `json:"msgsPerSecond"`
	LatencyMs     map[string]float64 `json:"latencyMs"`
	Histogram     []bucketLine       `json:"histogram"`
	Arrived       *uint64            `json:"arrived"`
	TargetDrops   map[string]uint64  `json:"targetDrops"`
}

func readFigures(t *testing.T, text string) figures {
	t.Helper()
	var f figures
	if err := json.Unmarshal([]byte(text), &f); err != nil || f.V != 1 {
		t.Fatalf("got %q, want one object of version 1: %v", text, err)
	}
	return f
}

func TestBench(t *testing.T) {
	_, node, url := startNode(t)
	listener, id := startListener(t, url, "--echo")
	go func() { // the pipe must not hold up the listener
		for range listener.lines {
		}
	}()
	for _, mode := range []string{"send", "request"} {
		t.Run(mode, func(t *testing.T) {
			r := runOnce(t, "", "bench", mode, "--to", id, "--count", "50", "--size", "64", "--json", "-b", url)
			r.wantCode(t, exitOK)
			f := readFigures(t, r.out)
			var sum uint64
			for _, b := range f.Histogram {
				sum += b.Count
			}
			if f.Mode != mode || f.Bytes != 64 || f.Done != 50 || sum != 50 || f.MsgsPerSecond <= 0 || f.LatencyMs["p50"] <= 0 || f.LatencyMs["p50"] > f.LatencyMs["max"] {
				t.Errorf("got %+v, want 50 of 64 bytes with their times", f)
			}
		})
	}
	t.Run("datagrams have no times, and the listener tells what arrived", func(t *testing.T) {
		r := runOnce(t, "", "bench", "dgram", "--to", id, "--count", "50", "--json", "-b", url)
		r.wantCode(t, exitOK)
		if f := readFigures(t, r.out); f.Done != 50 || f.LatencyMs != nil || f.Bytes != 1024 || f.Arrived == nil || *f.Arrived != 50 || len(f.TargetDrops) > 0 {
			t.Errorf("got %+v, want 50 of 1024 bytes that arrived, and no times", f)
		}
	})
	t.Run("for a time, at a rate, as CSV", func(t *testing.T) {
		r := runOnce(t, "", "bench", "--to", id, "--duration", "300ms", "--rate", "50", "--csv", "-b", url)
		r.wantCode(t, exitOK)
		lines, err := csv.NewReader(strings.NewReader(r.out)).ReadAll()
		if err != nil || len(lines) != 2 || len(lines[0]) != 16 || lines[0][5] != "done" || lines[1][0] != "send" {
			t.Fatalf("got %q, %v, want a line of names and one of figures", r.out, err)
		}
		done := lines[1][5]
		if len(done) > 2 || done == "0" { // 16 are due
			t.Errorf("messages in 0.3 s at 50/s: got %s", done)
		}
		if sum := sumOfPairs(t, lines[1][15]); lines[0][15] != "histogram" || fmt.Sprint(sum) != done {
			t.Errorf("histogram %q: got %d in its buckets, want %s", lines[1][15], sum, done)
		}
	})
	t.Run("in words", func(t *testing.T) {
		r := runOnce(t, "", "bench", "request", "--to", id, "--count", "3", "--clients", "1", "-b", url)
		r.wantCode(t, exitOK)
		for _, want := range []string{": 1024 bytes, 1 clients, ", "answered  3  ", "failed  0\n", "latency  p50 ", " ms          ", "  ####"} {
			if !strings.Contains(r.out, want) {
				t.Errorf("got\n%swant %q in it", r.out, want)
			}
		}
	})
	for _, mode := range benchModes {
		t.Run("nobody listens: "+mode, func(t *testing.T) {
			runOnce(t, "", "bench", mode, "--to", node, "--count", "3", "-b", url).wantCode(t, exitRefused, "no handler")
		})
		t.Run("nobody has the ID: "+mode, func(t *testing.T) {
			r := runOnce(t, "", "bench", mode, strings.Repeat("0", 39)+"1", "-b", url)
			r.wantCode(t, exitNoRoute, "no route")
			if r.out != "" {
				t.Errorf("standard output: got %q, want nothing", r.out)
			}
		})
	}
}

// sumOfPairs adds the counts of a histogram in CSV.
func sumOfPairs(t *testing.T, text string) (sum uint64) {
	t.Helper()
	before := -1.0
	for _, pair := range strings.Fields(text) {
		var upTo float64
		var n uint64
		if _, err := fmt.Sscanf(pair, "%f:%d", &upTo, &n); err != nil || upTo < before {
			t.Errorf("pair %q behind %v ms: %v", pair, before, err)
		}
		before = upTo
		sum += n
	}
	return sum
}

// The verdict and the words of a run whose datagrams were lost behind the first
// link, and of one to a program that keeps no tally.
func TestBenchOfLostDatagrams(t *testing.T) {
	b := &benchmark{mode: "dgram"}
	r := &benchResult{mode: "dgram", done: 10, took: time.Second}
	if err := b.verdict(r); err != nil || !strings.Contains(r.arrivedText(), "not known") {
		t.Errorf("no tally: got %v and %q", err, r.arrivedText())
	}
	r.arrived = &tally{Datagrams: 4, Drops: map[string]uint64{"no-handler": 1, "port-full": 2}}
	want := "arrived  4  40.0 %  dropped by the target: port-full 2, no-handler 1  lost on the way  3\n"
	if got := r.arrivedText(); got != want || b.verdict(r) != nil {
		t.Errorf("got %v and %q, want no error and %q", b.verdict(r), got, want)
	}
	r.arrived.Datagrams = 0
	if err := b.verdict(r); exitCode(err) != exitError {
		t.Errorf("nothing arrived: got %v, want an error", err)
	}
}

func TestBenchIsInterrupted(t *testing.T) {
	_, _, url := startNode(t)
	listener, id := startListener(t, url)
	p := start(t, "bench", "--to", id, "--duration", "1h", "--rate", "100", "--json", "-b", url)
	listener.event(t, "message")
	listener.event(t, "message") // the first is not counted
	began := time.Now()
	r := p.stop(t, os.Interrupt)
	r.wantCode(t, exitInterrupted)
	if f := readFigures(t, r.out); len(f.Failed) > 0 {
		t.Errorf("got %+v after %v, want what was done and no failures", f, time.Since(began))
	}
}

func TestBenchStopsFailing(t *testing.T) {
	_, _, url := startNode(t)
	listener, id := startListener(t, url)
	p := start(t, "bench", "--to", id, "--duration", "2s", "--timeout", "500ms", "--clients", "1", "--json", "-b", url)
	listener.event(t, "message")
	listener.event(t, "message")
	listener.kill()
	r := p.wait(t, time.Now())
	if r.code != exitTimeout && r.code != exitNoRoute {
		t.Errorf("exit code after the target's end: got %d, want %d or %d", r.code, exitTimeout, exitNoRoute)
	}
	first, last, _ := strings.Cut(r.out, "\n")
	if !strings.Contains(last, `"event":"error"`) {
		t.Errorf("got %q, want the error on a line behind the figures", last)
	}
	f := readFigures(t, first)
	var failed uint64
	for _, n := range f.Failed {
		failed += n
	}
	if f.Done == 0 || failed == 0 || failed > 250 {
		t.Errorf("got %+v, want some done and some, of at most 100 per second, that failed", f)
	}
}

func TestBenchVerdict(t *testing.T) {
	lost := errors.New("lost")
	for _, test := range []struct {
		name        string
		done, fails uint64
		lost        []bool // the last message of each client
		ok          bool
	}{
		{"all came through", 10, 0, []bool{false, false}, true},
		{"some failed", 10, 3, []bool{false, true}, true},
		{"most failed", 10, 11, []bool{false, false}, false},
		{"none came through", 0, 3, []bool{true, true}, false},
		{"the target was lost", 1000, 2, []bool{true, true}, false},
		{"nothing was sent", 0, 0, []bool{false}, true},
	} {
		b := &benchmark{}
		clients := make([]client, len(test.lost))
		for i := range clients {
			clients[i] = client{lost: test.lost[i], done: test.done, failed: map[string]uint64{}}
			if test.fails > 0 {
				clients[i].failed["lost"], clients[i].last = test.fails, lost
			}
		}
		if err := b.verdict(b.sum(clients, time.Second)); (err == nil) != test.ok {
			t.Errorf("%s: got %v, want it good: %v", test.name, err, test.ok)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "64": 64, "64B": 64, "1KiB": 1024, "58KiB": 58 << 10, "60000": 60000, "60001": -1, "59KiB": -1, "-1": -1, "1MB": -1, "KiB": -1, "": -1, "1Ki": -1} {
		v := size(-1)
		if err := v.Set(text); (err == nil) != (want >= 0) || v.v != want {
			t.Errorf("%q: got %d, %v, want %d", text, v.v, err, want)
		}
	}
}

func TestPortsOfAListener(t *testing.T) {
	_, _, url := startNode(t)
	listener, id := startListener(t, url, "--on", "7", "--echo")
	runOnce(t, "", "send", id, "--on", "7", "hello", "-b", url).wantCode(t, exitOK)
	wantMessage(t, listener, "hello")
	if r := runOnce(t, "", "request", id, "again", "--on", "7", "-b", url); r.out != "again" {
		t.Errorf("answer: got %q, want the request's data; it said:\n%s", r.out, r.err)
	}
	for _, mode := range benchModes {
		runOnce(t, "", "bench", mode, id, "--on", "7", "--count", "2", "-b", url).wantCode(t, exitOK)
	}
	runOnce(t, "", "send", id, "hello", "-b", url).wantCode(t, exitRefused, "no handler", "hint: that node runs")
}
