package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/testnet"
)

func TestTestnetValues(t *testing.T) {
	const (
		wantShare = "want a share such as 30%, from 0% to 100%"
		wantSpan  = "want two times above zero, the shorter first, such as 20ms-80ms, or one, such as 50ms"
		wantCut   = "want a share and a time, such as 50%:60s"
		wantRate  = "want a rate such as 64kbit, 1mbit or 2.5gbit, in bits a second, from 1kbit to 100gbit"
		wantSize  = "want packets, such as 50, or bytes with their unit, such as 64KiB, above zero"
		wantSeed  = "want a whole number from 0 to 18446744073709551615"
	)
	for _, test := range []struct {
		name string
		v    cli.Generic
		text string
		want string // the value, or the error
	}{
		{"a share", percent(), "30%", "0.3"},
		{"a small share", percent(), "0.5%", "0.005"},
		{"none", percent(), "0%", "0"},
		{"all", percent(), "100%", "1"},
		{"more than all", percent(), "101%", wantShare},
		{"less than none", percent(), "-1%", wantShare},
		{"no number", percent(), "NaN%", wantShare},
		{"a share without its sign", percent(), "0.3", wantShare},
		{"a span", span(), "20ms-80ms", "20ms to 80ms"},
		{"one time", span(), "50ms", "50ms to 50ms"},
		{"the wrong way round", span(), "80ms-20ms", wantSpan},
		{"no unit", span(), "20-80", wantSpan},
		{"no time at all", span(), "0s", wantSpan},
		{"half a span", span(), "20ms-", wantSpan},
		{"a partition", cutOff(), "50%:60s", "0.5 for 1m0s"},
		{"a partition for ever", cutOff(), "50%", wantCut},
		{"a partition of nothing", cutOff(), ":60s", wantCut},
		{"a rate", bitRate(), "1mbit", "125000"},
		{"a slow rate", bitRate(), "64kbit", "8000"},
		{"a rate as people write it", bitRate(), "2.5 Gbit/s", "312500000"},
		{"bits", bitRate(), "9600bit", "1200"},
		{"a rate without a unit", bitRate(), "1000000", wantRate},
		{"a rate in bytes", bitRate(), "1MB", wantRate},
		{"no rate", bitRate(), "0mbit", wantRate},
		{"a rate below", bitRate(), "999bit", wantRate},
		{"a rate above", bitRate(), "101gbit", wantRate},
		{"no number of bits", bitRate(), "NaNmbit", wantRate},
		{"packets", buffer(), "50", "50 packets, 0 bytes"},
		{"bytes", buffer(), "64KiB", "0 packets, 65536 bytes"},
		{"bytes without a multiple", buffer(), "1500B", "0 packets, 1500 bytes"},
		{"no buffer", buffer(), "0", wantSize},
		{"a buffer below", buffer(), "-5", wantSize},
		{"a buffer of something", buffer(), "5 packets", wantSize},
		{"a seed", seed(), "18446744073709551615", "18446744073709551615"},
		{"a seed below", seed(), "-1", wantSeed},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.v.Set(test.text); err != nil {
				got = err.Error()
			} else {
				got = valueText(test.v)
			}
			if got != test.want {
				t.Errorf("Set(%q): got %s, want %s", test.text, got, test.want)
			}
		})
	}
}

func valueText(v cli.Generic) string {
	switch v := v.(type) {
	case *value[float64]:
		return fmt.Sprint(v.v)
	case *value[timeSpan]:
		return fmt.Sprintf("%v to %v", v.v.min, v.v.max)
	case *value[partition]:
		return fmt.Sprintf("%v for %v", v.v.share, v.v.time)
	case *value[int64]:
		return fmt.Sprint(v.v)
	case *value[bufferSize]:
		return fmt.Sprintf("%d packets, %d bytes", v.v.packets, v.v.bytes)
	case *value[uint64]:
		return fmt.Sprint(v.v)
	}
	return fmt.Sprintf("%T", v)
}

// lastLine returns the last line of an output, and how many there are.
func lastLine(out string) (line string, lines int) {
	all := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	return all[len(all)-1], len(all)
}

func readReport(t *testing.T, line string) testnet.Report {
	t.Helper()
	var r testnet.Report
	if err := json.Unmarshal([]byte(line), &r); err != nil || r.V != 1 {
		t.Fatalf("line %q: got version %d, %v, want a report", line, r.V, err)
	}
	return r
}

func TestTestnetReports(t *testing.T) {
	r := runOnce(t, "", "testnet", "--nodes", "5", "--messages", "20", "--leaves", "20%")
	r.wantCode(t, exitOK, "starting 5 nodes\n", "sending 20 messages\n")
	line, lines := lastLine(r.out)
	if got := readReport(t, line); got.Nodes != 5 || got.Delivered != 20 || lines < 3 {
		t.Errorf("got %+v in %d lines, want 5 nodes, 20 delivered and a table before it", got, lines)
	}
}

func TestTestnetTellsCarriers(t *testing.T) {
	if !node.WebRTCSupported {
		t.Skip("built with the tag nowebrtc: build without it")
	}
	r := runOnce(t, "", "testnet", "--nodes", "4", "--transport", "webrtc", "--messages", "0")
	r.wantCode(t, exitOK)
	line, _ := lastLine(r.out)
	got := readReport(t, line).Carriers
	if got["ws"] < 1 || got["webrtc"] < 1 || got["ws"] > 6 || got["webrtc"] > 6 {
		t.Errorf("got %v, want 1 to 6 links of each kind", got)
	}
	if want := fmt.Sprintf("%-12s %s\n", "links", carriersText(got)); !strings.Contains(r.out, want) {
		t.Errorf("got %q, want %q in it", r.out, want)
	}
}

func TestCarriersText(t *testing.T) {
	for want, counts := range map[string]map[string]int{
		"none":                  nil,
		"3 sim":                 {"sim": 3},
		"120 webrtc, 8 ws":      {"ws": 8, "webrtc": 120},
		"9 ws, 2 mem, 2 webrtc": {"webrtc": 2, "mem": 2, "ws": 9},
	} {
		if got := carriersText(counts); got != want {
			t.Errorf("%v: got %q, want %q", counts, got, want)
		}
	}
}

func TestTestnetIsJSONAlone(t *testing.T) {
	r := runOnce(t, "", "testnet", "--nodes", "4", "--messages", "10", "--kill", "50%", "--silent", "50%", "--json")
	r.wantCode(t, exitOK, "killing 2 nodes, 1 of them silently\n")
	line, lines := lastLine(r.out)
	if got := readReport(t, line); got.Nodes != 2 || got.Sent != 10 || lines != 1 {
		t.Errorf("got %+v in %d lines, want 2 nodes left, 10 messages, one line", got, lines)
	}
}

func TestTestnetIsKept(t *testing.T) {
	p := start(t, "testnet", "--nodes", "4", "--keep", "--json")
	ready := p.next(t)
	urls, _ := ready["urls"].([]any)
	if ready["event"] != "ready" || len(urls) != 4 {
		t.Fatalf("first line: got %v, want the event ready with 4 URLs", ready)
	}
	listener, id := startListener(t, urls[1].(string))
	runOnce(t, "", "send", id, "hello", "--bootstrap", urls[3].(string)).wantCode(t, exitOK)
	wantMessage(t, listener, "hello")
	r := p.stop(t, syscall.SIGINT)
	r.wantCode(t, exitInterrupted)
	if r.out != "" || r.took > atOnce {
		t.Errorf("end: got %q after %v, want nothing more, at once", r.out, r.took)
	}
}

func TestTestnetIsKeptWithMessages(t *testing.T) {
	p := start(t, "testnet", "--nodes", "3", "--keep", "--messages", "5")
	if got, want := p.line(t), "3 nodes run, each can be joined by one of:"; got != want {
		t.Errorf("first line: got %q, want %q", got, want)
	}
	for {
		if line := p.line(t); strings.HasPrefix(line, "{") {
			if r := readReport(t, line); r.Delivered != 5 {
				t.Errorf("got %+v, want 5 delivered", r)
			}
			break
		}
	}
	p.stop(t, syscall.SIGTERM).wantCode(t, exitOK)
}

// waitFor waits until a process has said something on standard error.
func waitFor(t *testing.T, p *process, text string) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for overdue := time.After(patience); !strings.Contains(p.said(), text); {
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("got %q, want %q in it", p.said(), text)
		}
	}
}

func TestTestnetIsInterrupted(t *testing.T) {
	p := start(t, "testnet", "--nodes", "3", "--duration", "1h", "--json")
	waitFor(t, p, "living for 1h0m0s")
	r := p.stop(t, syscall.SIGINT)
	r.wantCode(t, exitInterrupted)
	if line, lines := lastLine(r.out); lines != 1 || readReport(t, line).Nodes != 3 {
		t.Errorf("got %q, want the report as far as it came", r.out)
	}
}

func TestTestnetSimulates(t *testing.T) {
	args := []string{"testnet", "--transport", "sim", "--nodes", "20", "--messages", "50", "--seed", "3", "--json"}
	r := runOnce(t, "", args...)
	r.wantCode(t, exitOK)
	line, lines := lastLine(r.out)
	if got := readReport(t, line); got.Nodes != 20 || got.First != 50 || got.TraceHash == "" || lines != 1 {
		t.Errorf("got %+v in %d lines, want 20 nodes, 50 messages first, a hash, one line", got, lines)
	}
}

func TestTestnetOnLines(t *testing.T) {
	for _, transport := range []string{"ws", "sim"} {
		r := runOnce(t, "", "testnet", "--transport", transport, "--nodes", "4", "--messages", "20", "--json",
			"--rate", "10mbit", "--delay", "15ms", "--jitter", "2ms", "--buffer", "64KiB", "--loss", "0.1%")
		r.wantCode(t, exitOK)
		line, _ := lastLine(r.out)
		if got := readReport(t, line); got.Delivered != 20 || got.LatencyMs.P50 < 30 {
			t.Errorf("%s: got %+v, want 20 delivered, 30 ms and more for half of them", transport, got)
		}
	}
}

func TestTestnetSimulationIsInterrupted(t *testing.T) {
	p := start(t, "testnet", "--transport", "sim", "--nodes", "100000", "--json")
	waitFor(t, p, "starting 100000 nodes")
	p.stop(t, syscall.SIGINT).wantCode(t, exitInterrupted)
}

func TestPrintReportFails(t *testing.T) {
	var out strings.Builder
	app := testApp()
	app.Commands = []*cli.Command{{Name: "x", Flags: []cli.Flag{boolFlag("json", "")}, Action: func(c *cli.Context) error {
		return printReport(c, streams{out: &out}, testnet.Report{V: 1, Failures: []string{"one", "two"}})
	}}}
	err := app.Run([]string{"peermesh", "x", "--json"})
	if exitCode(err) != exitError || err.Error() != "one\ntwo" {
		t.Errorf("got %v, code %d, want both failures and %d", err, exitCode(err), exitError)
	}
	if line, lines := lastLine(out.String()); lines != 1 || len(readReport(t, line).Failures) != 2 {
		t.Errorf("got %q, want the report all the same", &out)
	}
}
