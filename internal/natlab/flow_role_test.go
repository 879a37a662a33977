//go:build linux

package natlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// flowRole is a leaf that sends acknowledged messages: it joins by the URLs of its
// arguments. Each line of input is a load, and they are sent one after the other. The
// answer to each is a flowResult.
func flowRole() error {
	n, err := node.New(node.Config{Bootstrap: os.Args[1:], Leaf: true, WebRTC: node.WebRTCOff})
	if err != nil {
		return err
	}
	defer n.Close()
	n.Handle(node.HandlerFunc(func(context.Context, *node.Message) {}))
	ctx, cancel := bounded()
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return err
	}
	print := json.NewEncoder(os.Stdout)
	if err := print.Encode(told{ID: n.ID().String()}); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var f load
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			return err
		}
		if err := print.Encode(f.send(n)); err != nil {
			return err
		}
	}
	return nil
}

// load is messages of one size to one node.
type load struct {
	To     string
	Size   int
	Count  int           // messages in all; 0: as many as For has time for
	For    time.Duration // they are offered evenly over this time
	Each   time.Duration // what each has until it is given up
	AtOnce int           // not 0: so many senders send one behind the other, for as long as For
}

// flowResult is what became of them.
type flowResult struct {
	Sent, Delivered, Undelivered, Unknown int
	P50, P99                              time.Duration // of those delivered
	Took                                  time.Duration // until the last one was delivered
	InTime                                int           // that were delivered while they were offered
	Cause                                 string        `json:",omitempty"` // of the last one that was not
}

func (f *load) send(n *node.Node) flowResult {
	to, err := routing.ParseID(f.To)
	if err != nil {
		return flowResult{Cause: err.Error()}
	}
	c := collector{began: time.Now(), during: f.For}
	if f.AtOnce > 0 {
		c.closed(n, to, f)
	} else {
		c.open(n, to, f)
	}
	return c.result()
}

// collector gathers what becomes of them.
type collector struct {
	began  time.Time
	during time.Duration
	wg     sync.WaitGroup

	mu    sync.Mutex
	r     flowResult
	times []time.Duration
}

// open offers messages at a rate, whatever becomes of those before.
func (c *collector) open(n *node.Node, to routing.ID, f *load) {
	for i := range f.Count {
		time.Sleep(time.Until(c.began.Add(f.For * time.Duration(i) / time.Duration(f.Count))))
		c.wg.Go(func() { c.one(n, to, f) })
	}
	c.wg.Wait()
}

// closed sends each message when one before it has ended.
func (c *collector) closed(n *node.Node, to routing.ID, f *load) {
	for range f.AtOnce {
		c.wg.Go(func() {
			for time.Since(c.began) < f.For {
				c.one(n, to, f)
			}
		})
	}
	c.wg.Wait()
}

func (c *collector) one(n *node.Node, to routing.ID, f *load) {
	ctx, cancel := context.WithTimeout(context.Background(), f.Each)
	defer cancel()
	began := time.Now()
	err := n.Send(ctx, to, make([]byte, f.Size))
	c.note(time.Since(began), err)
}

func (c *collector) note(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Sent++
	at := time.Since(c.began)
	var failed *node.SendError
	switch {
	case err == nil:
		c.r.Delivered++
		c.r.Took = at
		c.times = append(c.times, took)
		if at <= c.during {
			c.r.InTime++
		}
		return
	case errors.As(err, &failed) && failed.Outcome == node.Unknown:
		c.r.Unknown++
	default:
		c.r.Undelivered++
	}
	c.r.Cause = err.Error()
}

func (c *collector) result() flowResult {
	slices.Sort(c.times)
	if n := len(c.times); n > 0 {
		c.r.P50, c.r.P99 = c.times[n/2], c.times[n*99/100]
	}
	return c.r
}
