//go:build linux

package natlab

import (
	"encoding/json"
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"
)

var longStops = flag.Bool("longstops", false, "a relay is stopped ten times for each kind of flow in place of two")

// Of three relays the one in use is stopped (SIGSTOP) while datagrams flow between two
// leaves: they go by another within a second, and when it goes on (SIGCONT) and
// empties its buffers nothing arrives twice.
func TestSilentRelay(t *testing.T) {
	for _, rate := range []int{50, 1000} {
		for _, echo := range []int{0, 1} {
			t.Run(fmt.Sprintf("%d a second, %s", rate, [...]string{"one way", "echo"}[echo]), func(t *testing.T) {
				t.Parallel()
				silentRelay(t, rate, echo)
			})
		}
	}
}

func silentRelay(t *testing.T, rate, echo int) {
	c := newCell(t)
	places := []place{c.relay[0], c.relay[1], c.onWAN(t, "r3", outer(3))}
	var urls []string
	relays := make(map[string]*member)
	for _, p := range places {
		args := []string{"--port", fmt.Sprint(relayPort)}
		if len(urls) > 0 {
			args = append(args, "--bootstrap", urls[0])
		}
		m := p.runs(t, args...)
		relays[m.id] = m
		urls = append(urls, "ws://"+p.at(relayPort))
	}
	from := ready(t, c.onWAN(t, "from", outer(11)).play(t, "silence", urls...))
	to := ready(t, c.onWAN(t, "to", outer(12)).play(t, "silence", urls...))
	trials := 2
	if *longStops {
		trials = 10
	}
	var worst, worstBack time.Duration
	for trial := range trials {
		var there, back gapTold
		for tries := 0; tries < 5 && max(there.Gap, back.Gap) < noGap; tries++ { // else it was in use no more
			there, back = stopTheRelayInUse(t, relays, from, to, rate, echo)
		}
		worst, worstBack = max(worst, there.Gap), max(worstBack, back.Gap)
		if there.Gap > time.Second || back.Gap > time.Second || there.Twice > 0 || back.Twice > 0 {
			t.Errorf("trial %d: got %+v there and %+v back, want gaps of 1 s at most and nothing twice", trial, there, back)
		}
		if most := rate * int(silenceFlow/time.Millisecond) / 1000; there.Arrived < most/10 || echo > 0 && back.Arrived < most/10 {
			t.Errorf("trial %d: got %+v there and %+v back, of %d", trial, there, back, most)
		}
	}
	t.Logf("%d a second: longest gap of %d trials %v there, %v back", rate, trials, worst, worstBack)
}

// A flow has time before the stop, after it, and after the relay goes on.
const (
	silenceFlow = 7 * time.Second
	silenceStop = 3 * time.Second
	noGap       = 100 * time.Millisecond // no link is left sooner
)

func stopTheRelayInUse(t *testing.T, relays map[string]*member, from, to *member, rate, echo int) (there, back gapTold) {
	t.Helper()
	from.tell(t, "flow %s %d %d %d", to.id, rate, silenceFlow.Milliseconds(), echo)
	from.told(t, "used", new(told))
	time.Sleep(time.Second) // the flow has its way, and a session, by then
	from.told(t, "gap", new(gapTold))
	to.told(t, "gap", new(gapTold))
	var used told
	from.told(t, "used", &used)
	relay := relays[used.ID]
	if relay == nil {
		t.Fatalf("got %q in use, want a relay", used.ID)
	}
	relay.signal(t, syscall.SIGSTOP)
	time.Sleep(silenceStop)
	relay.signal(t, syscall.SIGCONT)
	time.Sleep(silenceFlow - silenceStop) // the rest of the flow, and what comes late
	from.told(t, "gap", &back)
	to.told(t, "gap", &there)
	return there, back
}

// told asks a node and takes its answer.
func (m *member) told(t *testing.T, verb string, answer any) {
	t.Helper()
	m.tell(t, "%s", verb)
	if text := m.next(t); json.Unmarshal([]byte(text), answer) != nil {
		t.Fatalf("%s: got %s, want the answer", m.name, text)
	}
}
