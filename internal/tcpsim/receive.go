package tcpsim

import (
	"slices"
	"time"
)

// The delays of acks.
const (
	ackDelay = 40 * time.Millisecond
	ackEvery = 2 // segments
)

// receiver is the receiving half of an end.
type receiver struct {
	e      *End
	next   int64  // in order up to here
	taken  int64  // read up to here
	apart  []span // that came beyond next, in order
	newest span   // of them, with the segment that came last
	marks  []mark // of messages that are not read yet
	paused bool
	closed bool
	due    int           // segments that are not acknowledged yet
	echo   time.Duration // when the first of them left
	delay  timer
}

// mark is the end of a message in the stream.
type mark struct {
	end     int64
	message any
}

func (r *receiver) init(e *End) {
	r.e = e
	r.delay = timer{clock: e.clock, do: func() { r.reply() }}
}

// await notes a message that the other end has written.
func (r *receiver) await(end int64, message any) {
	if !r.closed && !r.e.gone {
		r.marks = append(r.marks, mark{end, message})
	}
}

// segment takes a segment.
func (r *receiver) segment(p *packet) {
	if r.due++; r.due == 1 {
		r.echo = p.sent
	}
	inOrder := p.from <= r.next && p.end > r.next && len(r.apart) == 0
	r.insert(span{p.from, p.end})
	if !inOrder || r.due >= ackEvery {
		if !inOrder {
			r.echo = p.sent
		}
		r.reply()
	} else if r.delay.due == 0 {
		r.delay.set(r.e.clock.Now() + ackDelay)
	}
	r.read()
}

// insert joins a range to what has come.
func (r *receiver) insert(s span) {
	if s.from > r.next {
		i, _ := slices.BinarySearchFunc(r.apart, s, func(a, b span) int {
			if a.end < b.from {
				return -1
			}
			return 1
		})
		k := i
		for ; k < len(r.apart) && r.apart[k].from <= s.end; k++ {
			s.from, s.end = min(s.from, r.apart[k].from), max(s.end, r.apart[k].end)
		}
		r.apart = slices.Replace(r.apart, i, k, s)
		r.newest = s
		return
	}
	r.next = max(r.next, s.end)
	for len(r.apart) > 0 && r.apart[0].from <= r.next {
		r.next = max(r.next, r.apart[0].end)
		r.apart = slices.Delete(r.apart, 0, 1)
	}
}

// acknowledge writes into a packet what has come.
func (r *receiver) acknowledge(p *packet) {
	p.ack, p.edge, p.echo = r.next, r.taken+int64(r.e.cfg.Receive), r.echo
	if len(r.apart) > 0 {
		n := 0
		if r.newest.from > r.next {
			p.ranges[n] = r.newest
			n++
		}
		for i := len(r.apart) - 1; i >= 0 && n < len(p.ranges); i-- {
			if s := r.apart[i]; s.from != r.newest.from {
				p.ranges[n] = s
				n++
			}
		}
	}
	r.due = 0
	r.delay.stop()
}

// reply sends an ack alone.
func (r *receiver) reply() { r.e.put(&packet{}) }

// read hands on the messages that have come whole.
func (r *receiver) read() {
	for !r.paused && !r.closed && len(r.marks) > 0 && r.marks[0].end <= r.next {
		m := r.marks[0]
		r.marks = r.marks[1:]
		r.taken = m.end
		if r.e.Arrived != nil {
			r.e.Arrived(m.message)
		}
	}
	if r.paused || r.e.gone {
		return
	}
	room := int64(r.e.cfg.Receive) - (r.next - r.taken)
	r.taken = r.next
	if room < int64(r.e.cfg.Receive/2) {
		r.reply() // the window is open again
	}
}
