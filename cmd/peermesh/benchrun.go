package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/time/rate"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

const (
	// dgramWait is how long a datagram waits for room in the first link's queue:
	// as long as one of package dgram by default.
	dgramWait = 50 * time.Millisecond

	// afterFailure keeps a client whose messages fail at once from spinning.
	afterFailure = 10 * time.Millisecond

	// progressEvery is the time between two lines of progress.
	progressEvery = time.Second
)

// benchmark is one run.
type benchmark struct {
	mode     string
	to       routing.ID
	data     []byte
	clients  int
	patience time.Duration // for each message
	length   time.Duration // of the run; 0: until count messages went
	left     int64         // messages to send yet; atomic while clients run
	rate     int           // messages per second; 0: no bound

	send func(ctx context.Context) error
	n    *node.Node
	port *node.Port    // datagrams leave from it
	at   node.Addr     // where they go
	pace *rate.Limiter // nil: no bound
	done atomic.Uint64
}

// client is what one of those who send at once counts, on its own goroutine.
type client struct {
	times  histogram
	done   uint64
	failed map[string]uint64
	last   error // of those that failed
	lost   bool  // the last message failed
}

// open makes what sends.
func (b *benchmark) open(c *cli.Context, n *node.Node) error {
	b.n = n
	if b.rate > 0 {
		b.pace = rate.NewLimiter(rate.Limit(b.rate), max(1, b.rate/100)) // bursts of 10 ms
	}
	from, to, err := onPort(c, n, b.to)
	switch b.mode {
	case "send":
		b.send = func(ctx context.Context) error { return from.Send(ctx, to, b.data) }
	case "request":
		b.send = func(ctx context.Context) error {
			_, err := from.Request(ctx, to, b.data)
			return err
		}
	case "dgram":
		b.port, b.at = from, to
		b.send = func(context.Context) error { return from.SendDatagramWithin(to, b.data, dgramWait) }
	}
	return err
}

// first makes the session, and fails where all would. A datagram to nobody is
// lost in silence, so before those goes a message that is acknowledged.
func (b *benchmark) first(ctx context.Context) error {
	if b.mode == "dgram" {
		return b.port.Send(ctx, b.at, b.data)
	}
	return b.send(ctx)
}

// settleEvery is the time between two questions for what arrived, and settledAfter
// how many answers alike mean that no more will.
const (
	settleEvery  = 100 * time.Millisecond
	settledAfter = 5
)

// arrivals asks the target what it has counted since an earlier answer, until it
// has had all that was sent or nothing more comes.
func (b *benchmark) arrivals(ctx context.Context, before tally, sent uint64) (*tally, error) {
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	var last *tally
	for alike := 0; alike < settledAfter; {
		now, err := askTally(ctx, b.port, b.to)
		if err != nil {
			return last, err
		}
		since := now.minus(before)
		if last != nil && since.Datagrams == last.Datagrams && since.dropped() == last.dropped() {
			alike++
		} else {
			alike = 0
		}
		if last = &since; since.Datagrams+since.dropped() >= sent {
			break
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(settleEvery):
		}
	}
	return last, nil
}

// run sends until the end, and until what is under way then has ended too.
func (b *benchmark) run(ctx context.Context, talk io.Writer) *benchResult {
	began := time.Now()
	stop, cancel := context.WithCancel(ctx) // ends the beginning of messages
	defer cancel()
	if b.length > 0 {
		stop, cancel = context.WithTimeout(ctx, b.length)
		defer cancel()
	}
	clients := make([]client, b.clients)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() { b.runClient(ctx, stop, &clients[i]) })
	}
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	b.progress(talk, ended)
	return b.sum(clients, time.Since(began))
}

func (b *benchmark) runClient(ctx, stop context.Context, c *client) {
	c.failed = make(map[string]uint64)
	for stop.Err() == nil && atomic.AddInt64(&b.left, -1) >= 0 {
		if b.pace != nil && b.pace.Wait(stop) != nil {
			return
		}
		began := time.Now()
		err := b.one(ctx)
		switch {
		case err == nil:
			c.times.add(time.Since(began))
			c.done++
			c.lost = false
			b.done.Add(1)
		case ctx.Err() != nil || errors.Is(err, node.ErrClosed):
			return // interrupted: that says nothing of the message
		default:
			c.fail(stop, err)
		}
	}
}

func (b *benchmark) one(ctx context.Context) error {
	if b.mode == "dgram" {
		return b.send(ctx) // it waits for no more than dgramWait
	}
	ctx, cancel := context.WithTimeout(ctx, b.patience)
	defer cancel()
	return b.send(ctx)
}

func (c *client) fail(stop context.Context, err error) {
	c.failed[causeName(err)]++
	c.last, c.lost = err, true
	if errors.Is(err, node.ErrQueueFull) {
		return // it waited already
	}
	select {
	case <-time.After(afterFailure):
	case <-stop.Done():
	}
}

// causeName is why a message failed, in one of few words.
func causeName(err error) string {
	var send *node.SendError
	if errors.As(err, &send) && send.Reason != "" {
		return send.Reason
	}
	for _, known := range []error{node.ErrTimeout, node.ErrQueueFull, node.ErrNotConnected, node.ErrNoRoute, node.ErrNoHandler, node.ErrRefused} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "else"
}

// progress tells how it goes until the run has ended.
func (b *benchmark) progress(w io.Writer, ended <-chan struct{}) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	began, before := time.Now(), uint64(0)
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			now := b.done.Load()
			fmt.Fprintf(w, "%3.0f s  %d %s, %d in the last second\n", time.Since(began).Seconds(), now, doneWord[b.mode], now-before)
			before = now
		}
	}
}

// sum puts the clients together.
func (b *benchmark) sum(clients []client, took time.Duration) *benchResult {
	r := &benchResult{mode: b.mode, to: b.to, size: len(b.data), clients: b.clients, took: took, failed: make(map[string]uint64), gone: true}
	for i := range clients {
		c := &clients[i]
		r.done += c.done
		r.times.merge(&c.times)
		r.gone = r.gone && (c.lost || c.done+uint64(len(c.failed)) == 0) // one that sent nothing says nothing
		for why, n := range c.failed {
			r.failed[why] += n
			r.failures += n
		}
		if c.last != nil {
			r.last = c.last
		}
	}
	return r
}

// verdict is the error of a run in which nothing or less than half came through,
// or whose target was lost: every client's last message failed.
func (b *benchmark) verdict(r *benchResult) error {
	switch {
	case r.done <= r.failures || r.gone:
		return r.last // nil: nothing was sent
	case r.arrived != nil && r.arrived.Datagrams == 0:
		return fmt.Errorf("%s has got none of %d datagrams", b.to.Short(), r.done)
	}
	return nil
}
