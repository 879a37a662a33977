package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// With --json a failed command says why as its last line on standard output, and in
// words on standard error.
func TestJSONErrorsHaveAReason(t *testing.T) {
	_, _, url := startNode(t)
	listener, id := startListener(t, url)
	nobody := strings.Repeat("0", 39) + "1"
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		reason string
		words  string
	}{
		{"usage", []string{"send"}, exitUsage, "usage", "send needs ID"},
		{"unknown flag", []string{"send", "--nope"}, exitUsage, "usage", "nope"},
		{"bad value", []string{"testnet", "--loss", "much"}, exitUsage, "usage", "invalid value"},
		{"no node", []string{"status", "--admin", "http://127.0.0.1:1"}, exitNoNode, "no-node", "no running node answers"},
		{"nobody listens", []string{"send", "-b", "ws://127.0.0.1:1", "--timeout", "400ms", id, "x"}, exitTimeout, "nobody-listens", "nothing listens there"},
		{"parse", []string{"send", "-b", "http://h", id, "x"}, exitUsage, "parse", "unknown scheme"},
		{"no route", []string{"send", "-b", url, nobody, "x"}, exitNoRoute, "no-route", "no route"},
		{"no handler", []string{"send", "-b", url, "--on", "7", id, "x"}, exitRefused, "no-handler", "no handler"},
		{"no answer", []string{"request", "-b", url, "--timeout", "2s", id, "x"}, exitTimeout, "no-answer", "took the request and did not answer it"},
		{"bench", []string{"bench", "request", "-b", url, "--duration", "300ms", "--timeout", "300ms", id}, exitTimeout, "no-answer", "took the request and did not answer it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runOnce(t, "", append(test.args, "--json")...)
			r.wantCode(t, test.code, "peermesh: ", test.words)
			lines := strings.Split(strings.TrimSpace(r.out), "\n")
			var got errorLine
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
				t.Fatalf("got %q, want a line of JSON: %v", r.out, err)
			}
			if got.V != 1 || got.Event != "error" || got.Reason != test.reason || got.Code != test.code || !strings.Contains(got.Error, test.words) {
				t.Errorf("got %+v, want the reason %q and the code %d", got, test.reason, test.code)
			}
		})
	}
	_ = listener
	if r := runOnce(t, "", "send"); r.out != "" {
		t.Errorf("without --json: got %q on standard output, want nothing", r.out)
	}
}

// A request that is taken and not answered says so, with what to do.
func TestUnansweredRequestSaysSo(t *testing.T) {
	_, _, url := startNode(t)
	_, id := startListener(t, url)
	r := runOnce(t, "", "request", "-b", url, "--timeout", "1s", " "+id+"\n", "x")
	r.wantCode(t, exitTimeout, "the node there took the request and did not answer it", "hint: its program answers no requests")
	if strings.Contains(r.err, "transmissions") {
		t.Errorf("got %q, want nothing of transmissions", r.err)
	}
}
