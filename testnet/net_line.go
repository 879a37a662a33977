package testnet

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/peermesh/peermesh/internal/line"
	"github.com/peermesh/peermesh/transport/ws"
)

// lines are those of a Net, one for each direction. One lock for all of them is
// enough: it is held for a packet's arithmetic.
type lines struct {
	begin time.Time
	all   Line // between two nodes that SetLine was not called for; zero: none

	mu       sync.Mutex
	rand     *rand.Rand
	links    map[[2]*member]*line.Line // from one node to another; nil: none
	up, down map[*member]*line.Line
}

func (l *lines) init(all Line, seed uint64) {
	l.begin, l.all, l.rand = time.Now(), all, rand.New(rand.NewPCG(seed, 1))
	l.links = make(map[[2]*member]*line.Line)
	l.up, l.down = make(map[*member]*line.Line), make(map[*member]*line.Line)
}

// SetLine gives the links by which one node sends to another a line, one for all of
// them. The other direction has its own. Links between the two that have none yet
// end, and begin again on it. It is for links over WebSocket.
func (n *Net) SetLine(from, to int, l Line) {
	ends := n.disturb([]int{from, to})
	n.lines.mu.Lock()
	n.lines.set(n.lines.links, [2]*member{ends[0], ends[1]}, l)
	n.lines.mu.Unlock()
	n.faults.again(func(from, to *member) bool {
		return from == ends[0] && to == ends[1] || from == ends[1] && to == ends[0]
	})
}

// SetNodeLines gives a node a line for all that it sends and one for all that it is
// sent, whatever lines its links have besides. Its links that have none yet end, and
// begin again on them.
func (n *Net) SetNodeLines(i int, up, down Line) {
	m := n.disturb([]int{i})[0]
	n.lines.mu.Lock()
	setNodeLine(&n.lines, n.lines.up, m, up)
	setNodeLine(&n.lines, n.lines.down, m, down)
	n.lines.mu.Unlock()
	n.faults.again(func(from, to *member) bool { return from == m || to == m })
}

// LineStats tells of the line that SetLine or Options.Line gave the links by which
// one node sends to another.
func (n *Net) LineStats(from, to int) LineStats {
	all := n.all()
	n.lines.mu.Lock()
	defer n.lines.mu.Unlock()
	if l := n.lines.links[[2]*member{all[from], all[to]}]; l != nil {
		return lineStats(l.Stats())
	}
	return LineStats{}
}

func (l *lines) set(of map[[2]*member]*line.Line, key [2]*member, to Line) {
	of[key] = l.changed(of[key], to)
}

func setNodeLine(l *lines, of map[*member]*line.Line, m *member, to Line) {
	of[m] = l.changed(of[m], to)
}

// changed is a line with other properties, a new one if there was none.
func (l *lines) changed(was *line.Line, to Line) *line.Line {
	switch {
	case was != nil:
		was.Change(to.config())
		return was
	case to.some():
		return line.New(to.config(), l.rand)
	}
	return nil
}

// path is the way from one node to another; nil: no line is on it. A node outside
// of the network is nil.
func (l *lines) path(from, to *member) *path {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]*member{from, to}
	if _, told := l.links[key]; !told && l.all.some() {
		l.set(l.links, key, l.all)
	}
	p := &path{lines: l}
	for _, one := range []*line.Line{l.up[from], l.links[key], l.down[to]} {
		if one != nil {
			p.way = append(p.way, one)
		}
	}
	if len(p.way) == 0 {
		return nil
	}
	return p
}

// path is one direction of a link over lines.
type path struct {
	lines *lines
	way   []*line.Line
}

// offer puts a packet on the lines, or says how long it has to wait before it finds
// room. Each line takes it at this moment: where several are slow the slowest one
// counts, as it does in the end of a stream of packets. What is lost is sent again
// and arrives a round trip later.
func (p *path) offer(size int, rtt time.Duration) (due time.Time, wait time.Duration) {
	p.lines.mu.Lock()
	defer p.lines.mu.Unlock()
	now := time.Since(p.lines.begin)
	for _, l := range p.way {
		wait = max(wait, l.Room(now, size)-now)
	}
	if wait > 0 {
		return time.Time{}, wait
	}
	sent, delay := now, time.Duration(0)
	for _, l := range p.way {
		at, fate := l.Offer(now, size)
		for ; fate != line.Passed; at, fate = l.Offer(now, size) {
			if fate == line.Full {
				now = l.Room(now, size)
			}
			delay += rtt
		}
		own := l.Config().Delay
		delay += own
		sent = max(sent, at-own)
	}
	return p.lines.begin.Add(sent + delay), 0
}

// delay is how long a packet takes when nothing waits.
func (p *path) delay() (d time.Duration) {
	if p == nil {
		return 0
	}
	p.lines.mu.Lock()
	defer p.lines.mu.Unlock()
	for _, l := range p.way {
		d += l.Config().Delay
	}
	return d
}

// socketBuffer is how much of what comes by a line waits in the socket that the line
// is behind: what a line does not take has to wait where it was sent.
const socketBuffer = 16 << 10

// wsDialer is the carrier of a network's links.
func (n *Net) wsDialer() *ws.Dialer { return &ws.Dialer{Control: n.lines.control} }

// control makes the receive buffer of a socket small where lines are.
func (l *lines) control(_ context.Context, _, _ string, c syscall.RawConn) error {
	if l.some() {
		_ = c.Control(shrinkBuffer) // a longer buffer is a longer queue, no more
	}
	return nil
}

// some says whether there are lines at all.
func (l *lines) some() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.some() || len(l.links)+len(l.up)+len(l.down) > 0
}
