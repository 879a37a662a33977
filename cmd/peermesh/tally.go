package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// tallyPort is where listen answers what it has counted, a request without data.
// It is the last one that programs may open.
const tallyPort = 0xFEFF

// tallyPatience is how long an answer may take to arrive: the next who asks waits
// for it.
const tallyPatience = 2 * time.Second

// tally is what a listener has counted since its start: no more than totals, so
// that who asks learns nothing of others.
type tally struct {
	V         int               `json:"v"`
	Datagrams uint64            `json:"datagrams"` // that it has printed
	Drops     map[string]uint64 `json:"drops"`     // by its node, by reason
}

// minus is what came since an earlier tally.
func (t tally) minus(before tally) tally {
	d := tally{V: t.V, Datagrams: t.Datagrams - before.Datagrams, Drops: make(map[string]uint64)}
	for why, n := range t.Drops {
		if n -= before.Drops[why]; n > 0 {
			d.Drops[why] = n
		}
	}
	return d
}

func (t tally) dropped() (sum uint64) {
	for _, n := range t.Drops {
		sum += n
	}
	return sum
}

// answerTally answers on tallyPort until the node ends. A listener that listens
// on that very port answers nobody.
func answerTally(n *node.Node, datagrams *atomic.Uint64) error {
	_, err := n.OpenPort(tallyPort, node.HandlerFunc(func(ctx context.Context, m *node.Message) {
		if !m.WantsReply() {
			return
		}
		text, err := json.Marshal(tally{jsonVersion, datagrams.Load(), losses(n)})
		if err == nil {
			ctx, cancel := context.WithTimeout(ctx, tallyPatience)
			defer cancel()
			_ = m.Reply(ctx, text) // who asked may be gone
		}
	}))
	if errors.Is(err, node.ErrPortInUse) {
		return nil
	}
	return err
}

// askTally asks a node what it has counted.
func askTally(ctx context.Context, from *node.Port, to routing.ID) (t tally, err error) {
	answer, err := from.Request(ctx, node.Addr{ID: to, Port: tallyPort}, nil)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(answer, &t); err != nil || t.V != jsonVersion {
		return t, errors.New("the answer is no tally")
	}
	return t, nil
}

// harmless are the reasons by which nothing that was sent to this node is lost:
// what came twice, an answer that nobody waits for any more, what nodes ask of each
// other in vain, and what this node wanted to send when it had no link.
var harmless = []reason.Reason{reason.Duplicate, reason.Replayed, reason.Unsolicited, reason.Unsupported, reason.NoLink}

// losses is what a node has dropped that was not there a second time.
func losses(n *node.Node) map[string]uint64 {
	drops := n.Status().Drops
	for _, why := range harmless {
		delete(drops, why.String())
	}
	return drops
}

// countsText is counts by name in words, the largest first; empty: none.
func countsText(counts map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(min(max(int64(counts[b])-int64(counts[a]), -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return strings.Join(names, ", ")
}

// tellDropsEvery is the least time between two lines of drops.
const tellDropsEvery = time.Second

// tellDrops tells what a node drops, once a second, until the node ends.
func tellDrops(w io.Writer, n *node.Node) {
	tick := time.NewTicker(tellDropsEvery)
	defer tick.Stop()
	var told tally
	for {
		select {
		case <-n.Done():
			return
		case now := <-tick.C:
			all := tally{Drops: losses(n)}
			if text := countsText(all.minus(told).Drops); text != "" {
				fmt.Fprintf(w, "%s dropped %s\n", now.Format(time.TimeOnly), text)
			}
			told = all
		}
	}
}

// tellSum is the last line of a listener.
func tellSum(w io.Writer, n *node.Node, received uint64) {
	drops := losses(n)
	all := tally{Drops: drops}
	text := fmt.Sprintf("received %d, dropped %d", received, all.dropped())
	if why := countsText(drops); why != "" {
		text += ": " + why
	}
	fmt.Fprintln(w, text)
}
