package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func TestHopsInWordsAndJSON(t *testing.T) {
	hops := []node.Hop{
		{ID: routing.ID{1}, Transport: "ws", RTT: 1500 * time.Microsecond},
		{},
		{ID: routing.ID{2}, Transport: "webrtc", RTT: 4 * time.Millisecond, Queued: 512},
		{ID: routing.ID{3}, Transport: "mem", RTT: 3 * time.Millisecond},
	}
	one, two, three := routing.ID{1}.String(), routing.ID{2}.String(), routing.ID{3}.String()
	for _, test := range []struct {
		name string
		show func(w *strings.Builder) error
		want string
	}{
		{"words", func(w *strings.Builder) error { return hopsText(w, hops) },
			" 1  " + one + "  ws          1.500 ms  +1.500 ms\n" +
				" 2  *\n" +
				" 3  " + two + "  webrtc      4.000 ms  +2.500 ms  512 bytes queued\n" +
				" 4  " + three + "  mem         3.000 ms  +0.000 ms\n"},
		{"JSON", func(w *strings.Builder) error { return hopsJSON(w, hops) },
			`{"v":1,"hop":1,"id":"` + one + `","transport":"ws","rttMs":1.5,"shareMs":1.5,"queuedBytes":0}` + "\n" +
				`{"v":1,"hop":2,"error":"no answer","reason":"no-answer"}` + "\n" +
				`{"v":1,"hop":3,"id":"` + two + `","transport":"webrtc","rttMs":4,"shareMs":2.5,"queuedBytes":512}` + "\n" +
				`{"v":1,"hop":4,"id":"` + three + `","transport":"mem","rttMs":3,"shareMs":0,"queuedBytes":0}` + "\n"},
	} {
		var b strings.Builder
		if err := test.show(&b); err != nil || b.String() != test.want {
			t.Errorf("%s: got\n%s%v, want\n%s", test.name, b.String(), err, test.want)
		}
	}
}

func TestTraceAndLookup(t *testing.T) {
	_, near, nearURL := startNode(t)
	_, far, farURL := startNode(t, "--bootstrap", nearURL)
	_, id := startListener(t, farURL)
	const times = ` +[0-9.]+ ms  \+[0-9.]+ ms\n`

	t.Run("trace", func(t *testing.T) {
		r := runOnce(t, "", "trace", near, "-b", nearURL)
		r.wantCode(t, exitOK)
		if want := regexp.MustCompile(`^ 1  ` + near + `  ws ` + times + `$`); !want.MatchString(r.out) {
			t.Errorf("got %swant %s", r.out, want)
		}
	})
	t.Run("trace of a leaf in JSON", func(t *testing.T) {
		r := runOnce(t, "", "trace", id, "--json", "-b", nearURL)
		r.wantCode(t, exitOK)
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		first := regexp.MustCompile(`^\{"v":1,"hop":1,"id":"` + near + `","transport":"ws","rttMs":[0-9.]+,"shareMs":[0-9.]+,"queuedBytes":[0-9]+\}$`)
		if !first.MatchString(lines[0]) || !strings.Contains(lines[len(lines)-1], id) {
			t.Errorf("got %swant %s first and %s last", r.out, first, id)
		}
	})
	t.Run("trace to nobody", func(t *testing.T) {
		runOnce(t, "", "trace", strings.Repeat("0", 39)+"1", "-b", nearURL).wantCode(t, exitNoRoute, "peermesh: trace 00000000: no route")
	})
	t.Run("lookup of an ID", func(t *testing.T) {
		r := runOnce(t, "", "lookup", far, "-b", nearURL)
		r.wantCode(t, exitOK)
		if want := far + "\n" + near + "\n"; r.out != want {
			t.Errorf("got %q, want %q", r.out, want)
		}
	})
	t.Run("lookup of a Key in JSON", func(t *testing.T) {
		nearID, err := routing.ParseID(near)
		if err != nil {
			t.Fatal(err)
		}
		key := nearID.Key().String()
		r := runOnce(t, "", "lookup", key, "--json", "-b", farURL)
		r.wantCode(t, exitOK)
		if want := `{"v":1,"key":"` + key + `","nearest":["` + near + `","` + far + `"]}` + "\n"; r.out != want {
			t.Errorf("got %swant %s", r.out, want)
		}
	})
}
