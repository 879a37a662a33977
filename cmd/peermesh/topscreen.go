package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"
)

// topOrders are the columns that top sorts by, in the order of its key s; the
// first is what it begins with.
var topOrders = []struct {
	name    string
	compare func(a, b peerRate) int
}{
	{"traffic", func(a, b peerRate) int { return cmp.Compare(b.rx+b.tx, a.rx+a.tx) }},
	{"rx", func(a, b peerRate) int { return cmp.Compare(b.rx, a.rx) }},
	{"tx", func(a, b peerRate) int { return cmp.Compare(b.tx, a.tx) }},
	{"rtt", func(a, b peerRate) int { return cmp.Compare(knownRTT(a.PeerInfo), knownRTT(b.PeerInfo)) }},
	{"queue", func(a, b peerRate) int { return cmp.Compare(b.QueueFill, a.QueueFill) }},
	{"id", func(a, b peerRate) int { return bytes.Compare(a.ID[:], b.ID[:]) }},
}

// topKeys is the line that ? shows.
const topKeys = "keys: s sorts by the next column, r the other way round, ? hides this line, q or Esc quits"

// topView is how the user wants the peers. It belongs to one goroutine.
type topView struct {
	order   int // in topOrders
	reverse bool
	help    bool
}

// press takes a key and says whether it changed anything.
func (v *topView) press(key byte) bool {
	switch key {
	case 's', 'S':
		v.order = (v.order + 1) % len(topOrders)
	case 'r', 'R':
		v.reverse = !v.reverse
	case '?', 'h':
		v.help = !v.help
	default:
		return false
	}
	return true
}

// lines is a snapshot as the user wants it.
func (v *topView) lines(s *snapshot) []string {
	slices.SortStableFunc(s.peers, topOrders[v.order].compare)
	if v.reverse {
		slices.Reverse(s.peers)
	}
	lines := s.lines(true)
	state := "by " + topOrders[v.order].name
	if v.reverse {
		state += ", reversed"
	}
	lines[topStateLine] = state + "; ? tells the keys"
	if v.help {
		lines[topStateLine] = topKeys
	}
	return lines
}

// onScreen shows snapshots in the place of each other, until q.
func (t *topper) onScreen(ctx context.Context, std streams) error {
	scr := openScreen(std.out)
	defer scr.close()
	pressed := make(chan byte, 16) // what is typed faster than that is lost
	ctx, end := untilQuit(ctx, std.in, func(key byte) {
		select {
		case pressed <- key:
		default:
		}
	})
	defer end()
	view, last := &topView{}, (*snapshot)(nil)
	t.show = func(s *snapshot) error {
		last = s
		return scr.draw(view.lines(s))
	}
	t.wait = func(ctx context.Context, d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			case key := <-pressed:
				if !view.press(key) || last == nil {
					continue
				}
				if err := scr.draw(view.lines(last)); err != nil {
					return err
				}
			}
		}
	}
	err := scr.draw([]string{"peermesh top: the first figures come in " + t.interval.String() + "; q quits, ? tells the keys"})
	if err == nil {
		err = t.run(ctx)
	}
	return unlessQuit(ctx, err)
}
