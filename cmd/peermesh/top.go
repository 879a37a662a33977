package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func topCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "show live what a running node of this machine does",
		Description: describe("Shows frames, bytes and drops per second, and the peers by traffic, until q or Esc is pressed; s\n"+
			"sorts by another column, r the other way round, ? tells the keys. Without a terminal it prints one plain snapshot each --interval; --count says how many.",
			"peermesh top",
			"peermesh top --interval 5s --id a41c22e0",
			"peermesh top --count 1 --json"),
		Flags: lookFlags(
			valueFlag("interval", "`TIME` from one to the next, which the rates are of", duration(time.Second), "i"),
			valueFlag("count", "end after `N` snapshots; 0: go on", number(0, 0, maxCount), "c"),
		),
		Action: func(c *cli.Context) error { return top(c, std) },
	}
}

func top(c *cli.Context, std streams) error {
	if err := wantWords(c); err != nil {
		return err
	}
	l, err := look(c)
	if err != nil {
		return err
	}
	defer l.close()
	t := &topper{looker: l, interval: get[time.Duration](c, "interval"), left: get[int](c, "count"), wait: pause}
	if t.left == 0 {
		t.left = -1
	}
	switch {
	case c.Bool("json"):
		t.show = func(s *snapshot) error { return printJSON(std.out, s.line()) }
	case isScreen(std.out):
		return t.onScreen(c.Context, std)
	default:
		if t.left < 0 {
			fmt.Fprintf(std.err, "%s: a plain snapshot each %v, until interrupted; --count N prints N\n", noScreen(std.out), t.interval)
		}
		t.show = func(s *snapshot) error { return writeLines(std.out, append(s.lines(false), "")) }
	}
	return t.run(c.Context)
}

// topper compares one status with the next.
type topper struct {
	*looker
	interval time.Duration
	left     int // snapshots until the end; below zero: no end
	show     func(*snapshot) error
	wait     func(context.Context, time.Duration) error // its error ends the run
}

// run shows a snapshot each interval. The first waits for one interval, since
// rates need two.
func (t *topper) run(ctx context.Context) error {
	before, err := t.status(ctx)
	for err == nil && t.left != 0 {
		if err = t.wait(ctx, t.interval); err != nil {
			break
		}
		var now *admin.Status
		if now, err = t.status(ctx); err != nil {
			break
		}
		err = t.show(newSnapshot(before, now))
		before = now
		t.left--
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// snapshot is what went on between two statuses.
type snapshot struct {
	now        *admin.Status
	seconds    float64
	forwarded  float64 // frames per second, as the next two
	delivered  float64
	drops      map[string]float64
	rx, tx     float64 // bytes per second
	peers      []peerRate
	totalDrops float64
}

// peerRate is the traffic of one link.
type peerRate struct {
	node.PeerInfo
	rx, tx float64 // bytes per second
}

// newSnapshot computes rates by the node's own clock. Between two different
// nodes, or two starts of one, there are none.
func newSnapshot(before, now *admin.Status) *snapshot {
	s := &snapshot{now: now, seconds: (now.Uptime - before.Uptime).Seconds(), drops: make(map[string]float64)}
	if before.ID != now.ID || before.PID != now.PID || s.seconds <= 0 {
		before, s.seconds = now, 1
	}
	s.forwarded, s.delivered = s.rate(before.Forwarded, now.Forwarded), s.rate(before.Delivered, now.Delivered)
	for name, count := range now.Drops {
		if r := s.rate(before.Drops[name], count); r > 0 {
			s.drops[name] = r
			s.totalDrops += r
		}
	}
	rxBefore, txBefore := totals(before)
	rxNow, txNow := totals(now)
	s.rx, s.tx = s.rate(rxBefore, rxNow), s.rate(txBefore, txNow)
	s.ratePeers(before)
	return s
}

// rate is the growth of a counter per second; none if it went back.
func (s *snapshot) rate(before, now uint64) float64 {
	if now < before {
		return 0
	}
	return float64(now-before) / s.seconds
}

func totals(s *admin.Status) (rx, tx uint64) {
	for _, t := range s.Traffic {
		rx, tx = rx+t.RxBytes, tx+t.TxBytes
	}
	return rx, tx
}

// ratePeers finds the traffic of each link, the busiest first. A link is the
// same if it is with the same peer since the same time.
func (s *snapshot) ratePeers(before *admin.Status) {
	type link struct {
		id    routing.ID
		since int64
	}
	old := make(map[link]node.PeerInfo, len(before.Peers))
	for _, p := range before.Peers {
		old[link{p.ID, p.Since.UnixNano()}] = p
	}
	for _, p := range s.now.Peers {
		o := old[link{p.ID, p.Since.UnixNano()}]
		s.peers = append(s.peers, peerRate{p, s.rate(o.RxBytes, p.RxBytes), s.rate(o.TxBytes, p.TxBytes)})
	}
	slices.SortStableFunc(s.peers, topOrders[0].compare)
}

// line is the snapshot in JSON.
func (s *snapshot) line() topLine {
	line := topLine{
		V: jsonVersion, ID: s.now.ID, Seconds: s.seconds, Links: len(s.now.Peers),
		Forwarded: s.forwarded, Delivered: s.delivered, RxBytes: s.rx, TxBytes: s.tx, Drops: s.drops, Peers: []topPeer{},
	}
	for _, p := range s.peers {
		line.Peers = append(line.Peers, topPeer{p.ID, p.rx, p.tx, p.QueueFill})
	}
	return line
}

// topStateLine is the line of a snapshot that says how it is sorted; it is empty
// where there are no keys to change that.
const topStateLine = 4

// lines is the snapshot for people.
func (s *snapshot) lines(columns bool) []string {
	lines := []string{
		fmt.Sprintf("%s  up %s, %s, %d sessions", s.now.ID.Short(), shortTime(s.now.Uptime), linkCounts(s.now.Peers), s.now.Sessions),
		fmt.Sprintf("frames/s  %.0f forwarded, %.0f delivered", s.forwarded, s.delivered),
		fmt.Sprintf("bytes/s   %s in, %s out", humanRate(s.rx), humanRate(s.tx)),
		fmt.Sprintf("drops/s   %s", s.dropText()),
		"",
	}
	t := &table{}
	t.row("PEER", "VIA", "DIR", "ROLE", "RTT", "RX/s", "TX/s", "QUEUE", "STATE")
	for _, p := range s.peers {
		t.row(p.ID.Short(), via(p.PeerInfo), direction(p.Outbound), roleOf(p.Leaf), shortTime(p.RTT), humanRate(p.rx), humanRate(p.tx),
			share(p.QueueFill), linkState(p.PeerInfo))
	}
	return append(lines, t.lines(columns)...)
}

func (s *snapshot) dropText() string {
	words := []string{fmt.Sprintf("%.1f", s.totalDrops)}
	for _, name := range slices.Sorted(maps.Keys(s.drops)) {
		words = append(words, fmt.Sprintf("%s %.1f", name, s.drops[name]))
	}
	return strings.Join(words, "  ")
}

func humanRate(perSecond float64) string { return humanBytes(uint64(perSecond)) }

func writeLines(w io.Writer, lines []string) error {
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}
