// Package ws is the plain WebSocket relay: nhooyr.io/websocket as its
// documentation uses it, one message per frame, no gathering. Each end reads
// with Reader into a buffer of its own that it reuses, and writes with Write. It
// is the baseline of round-trip times.
package ws

import (
	"errors"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/wsconn"
)

// System is the plain WebSocket relay.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "ws" }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	links, err := wsconn.Chain(o.Relays, false, o.Dial)
	if err != nil {
		return nil, err
	}
	p := &path{links: links, a: links[0].Left, c: links[o.Relays].Left}
	for i := range o.Relays {
		left, right := wsconn.Relay(links, i)
		p.running.Go(func() { pump(left, right.Write) })
		p.running.Go(func() { pump(right, left.Write) })
	}
	p.running.Go(func() { pump(p.a, deliver(o.AtA)) })
	p.running.Go(func() { pump(p.c, deliver(o.AtC)) })
	return p, nil
}

type path struct {
	links   []wsconn.Link
	a, c    *wsconn.Conn
	running sync.WaitGroup
}

func (p *path) SendToC(msg []byte) error { return p.a.Write(msg) }
func (p *path) SendToA(msg []byte) error { return p.c.Write(msg) }

func (p *path) Close() error {
	var err error
	for _, l := range p.links {
		err = errors.Join(err, l.Close())
	}
	p.running.Wait()
	return err
}

func deliver(h harness.Handler) func([]byte) error {
	return func(msg []byte) error { h(msg); return nil }
}

// pump reads until the connection ends and passes each message on.
func pump(from *wsconn.Conn, to func([]byte) error) {
	buf := make([]byte, 0, 512)
	for {
		msg, err := from.Read(func() []byte { return buf })
		if err != nil {
			return
		}
		buf = msg
		if err := to(msg); err != nil {
			_ = from.Close()
			return
		}
	}
}

// Idle implements [harness.Idler].
func (System) Idle(links int) (harness.IdleLinks, error) {
	return wsconn.NewIdle(links, false, func(end *wsconn.Conn, arrived func()) (func([]byte) error, func()) {
		var running sync.WaitGroup
		running.Go(func() { pump(end, func([]byte) error { arrived(); return nil }) })
		return end.Write, running.Wait
	})
}
