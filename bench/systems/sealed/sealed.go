// Package sealed is the floor of an encrypted mesh node: a bare relay over
// nhooyr.io/websocket that gathers, corks and seals as a node does and has no
// mesh. Per message: the end-to-end seal at A and its opening at C; per hop: the
// seal of the record that the message leaves in and its opening. Both are
// AES-256-GCM with fixed keys and counters for nonces.
//
// Left out is all that makes a mesh: IDs and handshakes (two fixed names, fixed
// keys), routing (a table of one entry), the replay window (a counter must
// rise), link frames, classes, hop acknowledgements, budgets, drop accounting.
// What a node costs above this floor is what its mesh costs.
//
// A frame is
//
//	 0      type       1 B
//	 1      flags      1 B
//	 2      hop limit  1 B
//	 3..22  dst       20 B
//	23..42  src       20 B
//	43..46  index      4 B
//	47..54  counter    8 B
//	55..    sealed: kind 1 B, dst port 2 B, src port 2 B, data; tag 16 B
//
// and crosses a link in records, each one WebSocket message: {length u16,
// frame}*, sealed in place, with a tag of 16 B.
package sealed

import (
	"errors"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/wsconn"
)

// System is the sealed floor.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "sealed" }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	links, err := wsconn.Chain(o.Relays, true, o.Dial)
	if err != nil {
		return nil, err
	}
	p := &path{links: links}
	p.a = p.newEnd(links[0].Left, nameA, nameC, o.AtA)
	p.c = p.newEnd(links[o.Relays].Left, nameC, nameA, o.AtC)
	for i := range o.Relays {
		p.relay(wsconn.Relay(links, i))
	}
	return p, nil
}

type path struct {
	links   []wsconn.Link
	a, c    *end
	running sync.WaitGroup
}

// newLink starts the writer of one link end.
func (p *path) newLink(conn *wsconn.Conn) *link {
	l := newLink(conn)
	p.running.Go(l.write)
	return l
}

// relay starts a relay between two neighbours.
func (p *path) relay(left, right *wsconn.Conn) {
	l, r := p.newLink(left), p.newLink(right)
	p.running.Go(func() { l.read(&forwarder{dst: nameC, next: r}) })
	p.running.Go(func() { r.read(&forwarder{dst: nameA, next: l}) })
}

// newEnd starts one end of the path.
func (p *path) newEnd(conn *wsconn.Conn, self, peer name, deliver harness.Handler) *end {
	e := &end{session: newSession(self, peer), link: p.newLink(conn), inbox: newInbox()}
	p.running.Go(func() { e.link.read(e) })
	p.running.Go(func() { e.inbox.run(deliver) })
	return e
}

func (p *path) SendToC(msg []byte) error { return p.a.send(msg) }
func (p *path) SendToA(msg []byte) error { return p.c.send(msg) }

func (p *path) Close() error {
	var err error
	for _, l := range p.links {
		err = errors.Join(err, l.Close())
	}
	p.a.inbox.close()
	p.c.inbox.close()
	p.running.Wait()
	return err
}

// Idle implements [harness.Idler].
func (System) Idle(links int) (harness.IdleLinks, error) {
	return wsconn.NewIdle(links, true, func(conn *wsconn.Conn, arrived func()) (func([]byte) error, func()) {
		var running sync.WaitGroup
		l := newLink(conn)
		running.Go(l.write)
		running.Go(func() { l.read(counted(arrived)) })
		s := newSession(nameA, nameC)
		return func(msg []byte) error { return l.send(s.seal(msg)) }, running.Wait
	})
}

// counted takes batches of an idle link.
type counted func()

func (c counted) batch([]byte) error { c(); return nil }
