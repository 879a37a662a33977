//go:build linux

package natlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// moverRole is a node, a leaf or a relay without a port as its first argument says,
// or a leaf that links over WebRTC (direct). It trusts the authority in the file of the
// second one and joins by the URL of the third. Lines on standard input make it act:
//
//	connect ID                 makes a direct link
//	look ID                    does nothing; its answer, as that of connect, is one told
//	send ID COUNT PAUSE TIME   sends so many messages, one each PAUSE, each with TIME
//	back                       the network is right again from now on
//
// When all messages have ended it prints what became of them.
func moverRole() error {
	cfg := node.Config{Leaf: os.Args[1] != "relay", TLSCA: os.Args[2], Bootstrap: os.Args[3:], WebRTC: node.WebRTCOff}
	if os.Args[1] == "direct" {
		cfg.WebRTC = node.WebRTCOn
	}
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	defer n.Close()
	var got arrivals
	n.Handle(node.HandlerFunc(func(context.Context, *node.Message) { got.note() }))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return err
	}
	print := json.NewEncoder(os.Stdout)
	if err := print.Encode(told{ID: n.ID().String()}); err != nil {
		return err
	}
	var out departures
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "back" {
			got.back()
			out.back()
			continue
		}
		var verb, id, pause, most string
		var count int
		if n, err := fmt.Sscan(in.Text(), &verb, &id, &count, &pause, &most); n < 2 {
			return err
		}
		to, err := routing.ParseID(id)
		if err != nil {
			return err
		}
		if verb != "send" {
			if err := print.Encode(act(n, verb, to)); err != nil {
				return err
			}
			continue
		}
		go func() {
			out.send(n, to, count, pause, most)
			out.Received, out.FirstIn = got.count()
			_ = print.Encode(&out.fate)
		}()
	}
	return nil
}

// arrivals is what came.
type arrivals struct {
	mu    sync.Mutex
	since time.Time // the network is right again; zero: not yet
	n     int
	first time.Duration
}

func (b *arrivals) note() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n++; !b.since.IsZero() && b.first == 0 {
		b.first = time.Since(b.since)
	}
}

func (b *arrivals) back() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = time.Now()
}

func (b *arrivals) count() (n int, first time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n, b.first
}

// departures are the messages of a node.
type departures struct {
	mu    sync.Mutex
	since time.Time
	fate
}

// fate is what became of a node's messages, and of those to it.
type fate struct {
	Sent, Failed, Unknown int
	Received              int
	First, FirstIn        time.Duration // from when the network was right again to the first message that was acknowledged, and that came
	Slowest               time.Duration
	Causes                []string `json:",omitempty"` // a few
}

func (o *departures) back() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Now()
}

func (o *departures) send(n *node.Node, to routing.ID, count int, pause, most string) {
	gap, _ := time.ParseDuration(pause)
	limit, _ := time.ParseDuration(most)
	tick := time.NewTicker(gap)
	defer tick.Stop()
	var all sync.WaitGroup
	for range count {
		<-tick.C
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			began := time.Now()
			o.end(began, n.Send(ctx, to, make([]byte, 100)))
		})
	}
	all.Wait()
}

// end notes how a message ended.
func (o *departures) end(began time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Sent++
	o.Slowest = max(o.Slowest, time.Since(began))
	if err == nil {
		if !o.since.IsZero() && o.First == 0 {
			o.First = time.Since(o.since)
		}
		return
	}
	o.Failed++
	if e := (*node.SendError)(nil); errors.As(err, &e) && e.Outcome == node.Unknown {
		o.Unknown++
	}
	if len(o.Causes) < 3 {
		o.Causes = append(o.Causes, fmt.Sprintf("after %v: %v", time.Since(began).Round(time.Millisecond), err))
	}
}
