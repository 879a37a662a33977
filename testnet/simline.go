package testnet

import (
	"time"

	"github.com/peermesh/peermesh/internal/line"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/tcpsim"
	"github.com/peermesh/peermesh/transport"
)

// simLines are the lines of a simulation, one for each direction. Who changes one
// changes it for the links that use it already, too; links that began without a
// line stay without.
type simLines struct {
	links    map[[2]int32]*line.Line // from one node to another; nil: none between them, whatever the Options say
	up, down map[int32]*line.Line    // of a node, for all of its links
}

// SetLine gives the links by which one node sends to another a line, one for all of
// them. The other direction has its own.
func (s *Simulation) SetLine(from, to int, l Line) {
	key := [2]int32{int32(from), int32(to)}
	s.lines.links = setLine(s.lines.links, key, l, s.lineRandom(1, uint64(from)<<32|uint64(to)))
}

// SetNodeLines gives a node a line for all that it sends and one for all that it
// is sent, whatever lines its links have besides.
func (s *Simulation) SetNodeLines(i int, up, down Line) {
	s.lines.up = setLine(s.lines.up, int32(i), up, s.lineRandom(2, uint64(i)))
	s.lines.down = setLine(s.lines.down, int32(i), down, s.lineRandom(3, uint64(i)))
}

// LineStats tells of the line that SetLine or Options.Line gave the links by which
// one node sends to another.
func (s *Simulation) LineStats(from, to int) LineStats {
	if l := s.lines.links[[2]int32{int32(from), int32(to)}]; l != nil {
		return lineStats(l.Stats())
	}
	return LineStats{}
}

func setLine[K comparable](lines map[K]*line.Line, key K, l Line, random simRandom) map[K]*line.Line {
	if lines == nil {
		lines = make(map[K]*line.Line)
	}
	switch was := lines[key]; {
	case was != nil:
		was.Change(l.config())
	case l.some():
		lines[key] = line.New(l.config(), random.Rand)
	default:
		lines[key] = nil
	}
	return lines
}

func (s *Simulation) lineRandom(kind, number uint64) simRandom {
	return newSimRandom(mix(s.opts.Seed^kind<<56), number)
}

// between is the line of the links from one node to another; nil: none.
func (s *Simulation) between(from, to *simNode) *line.Line {
	key := [2]int32{from.index, to.index}
	l, told := s.lines.links[key]
	if !told && s.opts.Line.some() {
		s.SetLine(int(from.index), int(to.index), s.opts.Line)
		l = s.lines.links[key]
	}
	return l
}

// path is the way from one node to another; lined says that a line is on it.
func (s *Simulation) path(from, to *simNode) (p *tcpsim.Path, lined bool) {
	p = &tcpsim.Path{Delay: s.latency(from, to)}
	for _, l := range []*line.Line{s.lines.up[from.index], s.between(from, to), s.lines.down[to.index]} {
		if l == nil {
			continue
		}
		p.Lines = append(p.Lines, l)
		if l.Config().Delay > 0 {
			p.Delay = 0
		}
	}
	return p, len(p.Lines) > 0
}

// delayOf is how long a packet takes from one node to another when nothing waits.
func (s *Simulation) delayOf(from, to *simNode) time.Duration {
	p, _ := s.path(from, to)
	d := p.Delay
	for _, l := range p.Lines {
		d += l.Config().Delay
	}
	return d
}

// oneWayDelay is the mean of both directions.
func (s *Simulation) oneWayDelay(a, b *simNode) time.Duration {
	return (s.delayOf(a, b) + s.delayOf(b, a)) / 2
}

// carrierHeader is what a record takes more on a real line: the header of a message
// of WebSocket and the tag of the link's seal, which simulated links do without.
const carrierHeader = 8 + 16

// lay makes a TCP connection of a carrier on whose way is a line. The acceptor
// reads nothing before its link is up.
func (s *Simulation) lay(here, there *simEnd) {
	forth, lined := s.path(here.node, there.node)
	back, linedBack := s.path(there.node, here.node)
	if !lined && !linedBack {
		return
	}
	forth.Cut, back.Cut = here.cutOff, there.cutOff
	cfg := tcpsim.Config{}
	if s.opts.BBR {
		cfg.Control = tcpsim.BBR
	}
	here.tcp, there.tcp = tcpsim.Connect(simClock{s}, forth, back, cfg, cfg)
	for _, e := range []*simEnd{here, there} {
		e.tcp.Arrived = func(m any) { e.arrive(m.(*simBuffer)) }
		e.tcp.Room = e.roomy
		e.tcp.Broken = e.broke
	}
	there.tcp.Pause()
}

// cutOff says whether nothing of this end arrives at the other.
func (e *simEnd) cutOff() bool {
	to := e.other.node
	return e.mute || e.node.silent || to.silent || e.node.sim.cut(e.node, to)
}

func (e *simEnd) roomy() {
	if e.link != nil && !e.closed {
		e.link.wake()
	}
}

func (e *simEnd) broke() {
	if e.link != nil && !e.closed && !e.node.dead {
		e.link.link.Close(reason.CarrierFailed)
	}
}

// Full says that a write would have to wait.

// Line implements transport.Liner.
func (e *simEnd) Line() (transport.Line, bool) {
	if e.tcp == nil {
		return transport.Line{}, false
	}
	return transport.Line{Held: e.tcp.Held(), Lost: e.tcp.Lost(), RTT: e.tcp.RTT(), Segment: tcpsim.Segment}, true
}

// lineOf is how the link on this end asks for the line; nil: there is none.
func (e *simEnd) lineOf() func() (link.Line, bool) {
	if e.tcp == nil {
		return nil
	}
	return func() (link.Line, bool) {
		l, ok := e.Line()
		return link.Line(l), ok
	}
}

// hangUp tells the other side of the end of a connection.
func (e *simEnd) hangUp() {
	if !e.other.closed {
		e.tcp.Write(1, &simBuffer{hangUp: true})
	}
	e.tcp.Close()
}

// simClock lets the events of connections happen in virtual time.
type simClock struct{ sim *Simulation }

// Now implements tcpsim.Clock.
func (c simClock) Now() time.Duration { return c.sim.now }

// At implements tcpsim.Clock.
func (c simClock) At(at time.Duration, e tcpsim.Event) { c.sim.heap.push(at, lineEvent{e}, 0) }

// lineEvent is an event of a connection.
type lineEvent struct{ tcpsim.Event }

func (e lineEvent) happen(*Simulation, simKind) { e.Happen() }

var _ transport.Liner = (*simEnd)(nil)
