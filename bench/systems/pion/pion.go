// Package pion is the library of the node's links over WebRTC alone: two ends
// with one data channel between them and no relay. It sends each message by
// itself, or gathers small ones as the node does.
package pion

import (
	"errors"
	"sync"

	"github.com/peermesh/peermesh/bench/harness"
	"github.com/peermesh/peermesh/bench/systems/gather"
)

// System is the library. It has no relays: [harness.Options.Relays] is not read.
type System struct {
	// Gather puts what is sent while a message leaves into the next one, up to
	// batch bytes.
	Gather bool
}

// batch is the most of a gathered message in bytes, that of the node.
const batch = 16 << 10

// Name implements [harness.System].
func (s System) Name() string {
	if s.Gather {
		return "pion gathered"
	}
	return "pion"
}

// Open implements [harness.System].
func (s System) Open(o harness.Options) (harness.Path, error) {
	ends, err := pair()
	if err != nil {
		return nil, err
	}
	p := &path{ends: ends}
	for i, deliver := range []harness.Handler{o.AtA, o.AtC} {
		if !s.Gather {
			p.running.Go(func() { receive(ends[i], deliver) })
			continue
		}
		p.writers[i] = gather.New(pieces{ends[i]})
		p.running.Go(p.writers[i].Run)
		p.running.Go(func() { gather.Receive(&stream{end: ends[i]}, deliver) })
	}
	return p, nil
}

type path struct {
	ends    [2]*end           // A and C
	writers [2]*gather.Writer // nil: none gathers
	running sync.WaitGroup
}

func (p *path) SendToC(msg []byte) error { return p.send(0, msg) }
func (p *path) SendToA(msg []byte) error { return p.send(1, msg) }

func (p *path) send(from int, msg []byte) error {
	if w := p.writers[from]; w != nil {
		return w.Send(msg)
	}
	_, err := p.ends[from].Write(msg)
	return err
}

// Close implements [harness.Path].
func (p *path) Close() error {
	for _, w := range p.writers {
		if w != nil {
			w.Close()
		}
	}
	err := closeEnds(p.ends) // which ends the reads
	p.running.Wait()
	return err
}

func receive(e *end, deliver harness.Handler) {
	buf := make([]byte, longest)
	for {
		n, err := e.raw.Read(buf)
		if err != nil {
			return
		}
		deliver(buf[:n])
	}
}

// pieces cuts what was gathered into messages.
type pieces struct{ end *end }

func (p pieces) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k, err := p.end.Write(b[n:min(len(b), n+batch)])
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// stream reads messages as one stream of bytes: a message is read whole or not
// at all, so there has to be room for the longest.
type stream struct {
	end  *end
	buf  [longest]byte
	left []byte
}

func (s *stream) Read(b []byte) (int, error) {
	if len(s.left) == 0 {
		n, err := s.end.raw.Read(s.buf[:])
		if err != nil {
			return 0, err
		}
		s.left = s.buf[:n]
	}
	n := copy(b, s.left)
	s.left = s.left[n:]
	return n, nil
}

// Idle implements [harness.Idler].
func (System) Idle(links int) (harness.IdleLinks, error) { return &idle{want: links}, nil }

type idle struct {
	want  int
	pairs [][2]*end
}

// Connect implements [harness.IdleLinks].
func (i *idle) Connect() (ends int, err error) {
	for range i.want {
		p, err := pair()
		if err != nil {
			return 0, err
		}
		i.pairs = append(i.pairs, p)
		for k, e := range p {
			if _, err := e.raw.Write([]byte("hello")); err != nil {
				return 0, err
			}
			if _, err := p[1-k].raw.Read(make([]byte, longest)); err != nil {
				return 0, err
			}
		}
	}
	return 2 * len(i.pairs), nil
}

// Close implements [harness.IdleLinks].
func (i *idle) Close() error {
	var err error
	for _, p := range i.pairs {
		err = errors.Join(err, closeEnds(p))
	}
	return err
}
