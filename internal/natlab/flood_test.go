//go:build linux

package natlab

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
)

// joins has leaves join from a place, one after the other, and returns how long
// each took, the shortest first.
func (p place) joins(t *testing.T, url string, times int) []time.Duration {
	t.Helper()
	role := p.play(t, "joins", url, fmt.Sprint(times))
	var all []time.Duration
	for range times {
		ms, err := strconv.Atoi(role.next(t))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Duration(ms)*time.Millisecond)
	}
	slices.Sort(all)
	return all
}

func p95(all []time.Duration) time.Duration { return all[len(all)*95/100] }

// openFiles is how many descriptors a process has.
func (p *process) openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// processorTime is what a process has used of it, in the kernel too.
func (p *process) processorTime(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// Behind the name, which may hold anything: utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	const perSecond = 100 // USER_HZ, on all that Go runs on
	return time.Duration(ticks) * time.Second / perSecond
}

// sources gives a place more addresses of its own /16.
func (p place) sources(t *testing.T, more int) []string {
	t.Helper()
	all := []string{p.addr.String()}
	b := p.addr.As4()
	for i := range more {
		addr := fmt.Sprintf("%d.%d.1.%d", b[0], b[1], i+1)
		p.ip(t, "addr add "+addr+"/8 dev wan")
		all = append(all, addr)
	}
	return all
}

// TestHalfOpenSockets: 2,000 connections of one group of addresses that say nothing,
// or send half of an upgrade, keep nobody out, and the node keeps no more of them
// than it says.
func TestHalfOpenSockets(t *testing.T) {
	t.Parallel()
	const sockets, joins = 2_000, 20
	c := newCell(t)
	at, from := c.relay[0], c.relay[1]
	n := at.runs(t, "--port", fmt.Sprint(relayPort), "--webrtc", "off")
	url := "ws://" + at.at(relayPort)
	crowd := from.play(t, "halfopen", append([]string{at.at(relayPort), fmt.Sprint(sockets)}, from.sources(t, 39)...)...).expect(t, "open")
	all := c.onWAN(t, "r3", outer(3)).joins(t, url, joins)
	open, files := crowd.number(t), n.openFiles(t)
	if most := limits.HTTPConns + limits.PreAuthLinks + 64; files > most { // its own files, and those that it is closing
		t.Errorf("open files: got %d, want at most %d", files, most)
	}
	t.Logf("%d joins beside %d sockets of which %d are open: p95 %v, the longest %v; %d open files", joins, sockets, open, p95(all), all[joins-1], files)
}

// TestFloodOfHandshakes: 5,000 first messages of link handshakes a second from four
// groups of addresses, each by an upgrade of its own, keep nobody out.
func TestFloodOfHandshakes(t *testing.T) { flood(t, "handshake") }

// TestFloodOfUpgrades is the same of upgrades behind which nothing comes.
func TestFloodOfUpgrades(t *testing.T) { flood(t, "upgrade") }

func flood(t *testing.T, what string) {
	const groups, rate, joins = 4, 5_000, 20
	c := newCell(t)
	at := c.relay[0]
	n := at.runs(t, "--port", fmt.Sprint(relayPort), "--webrtc", "off")
	url := "ws://" + at.at(relayPort)
	var floods []*process
	for i := range groups {
		from := c.onWAN(t, fmt.Sprint("f", i), outer(21+i))
		floods = append(floods, from.play(t, "flood", at.at(relayPort), fmt.Sprint(rate/groups), from.addr.String(), what).expect(t, "ready"))
	}
	count := func() (made, answered int) {
		for _, f := range floods {
			var m, a int
			if _, err := fmt.Sscan(f.ask(t, ""), &m, &a); err != nil {
				t.Fatal(err)
			}
			made, answered = made+m, answered+a
		}
		return made, answered
	}
	honest := c.onWAN(t, "r3", outer(3))
	honest.joins(t, url, 1) // the flood has begun
	began, used := time.Now(), n.processorTime(t)
	madeBefore, answeredBefore := count()
	var all []time.Duration
	for time.Since(began) < 5*time.Second || len(all) < joins {
		all = append(all, honest.joins(t, url, 5)...)
	}
	made, answered := count()
	took := time.Since(began)
	used = n.processorTime(t) - used
	slices.Sort(all)
	share := func(count int) float64 { return float64(count) / took.Seconds() }
	if got, most := answered-answeredBefore, int((took.Seconds()+2)*limits.LinkHandshakes)+limits.LinkHandshakeBurst; got > most {
		t.Errorf("answered: got %d in %v, want at most %d", got, took, most)
	}
	t.Logf("%s: %.0f connections/s, %.0f answered/s: %.2f of a core; %d joins beside them: p95 %v, the longest %v",
		what, share(made-madeBefore), share(answered-answeredBefore), used.Seconds()/took.Seconds(), len(all), p95(all), all[len(all)-1])
}
