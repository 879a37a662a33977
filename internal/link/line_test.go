package link

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// line is one direction of a carrier with a rate: it takes messages while its buffer
// has room and brings each when its bytes have crossed.
type line struct {
	rate  int // bytes/s
	delay time.Duration
	room  int // bytes that the buffer takes

	mu    sync.Mutex
	moved sync.Cond
	held  int       // bytes in the buffer
	last  time.Time // when there was room for more last
	free  time.Time
	dead  bool // it takes everything and brings nothing
	ended bool
	out   chan []byte
}

var errLine = errors.New("the line has ended")

// put waits for room, unless now; false: there is none.
func (l *line) put(msg []byte, now bool) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended && l.held > 0 && l.held+len(msg) > l.room {
		if now {
			return false, nil
		}
		stalled := time.AfterFunc(limits.WriteStall, l.moved.Broadcast)
		l.moved.Wait()
		stalled.Stop()
		if time.Since(l.last) >= limits.WriteStall {
			return false, os.ErrDeadlineExceeded
		}
	}
	if l.ended {
		return false, errLine
	}
	if at := time.Now(); l.free.Before(at) {
		l.free = at
	}
	l.free = l.free.Add(time.Duration(len(msg)) * time.Second / time.Duration(l.rate))
	l.held, l.last = l.held+len(msg), time.Now()
	b := append([]byte(nil), msg...)
	time.AfterFunc(time.Until(l.free), func() { l.crossed(b) })
	return true, nil
}

// crossed makes room for more and brings what has crossed.
func (l *line) crossed(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return // and what is behind it waits for ever
	}
	l.held, l.last = l.held-len(b), time.Now()
	l.moved.Broadcast()
	if l.ended {
		return
	}
	time.AfterFunc(l.delay, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.ended {
			l.out <- b
		}
	})
}

func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.out)
		l.moved.Broadcast()
	}
}

func (l *line) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

// lineEnd is one end of a carrier over two lines.
type lineEnd struct {
	to, from *line
	unsent   [][]byte
	max      int // bytes of a record
}

func (e *lineEnd) Receive(buf func() []byte) ([]byte, error) {
	b, ok := <-e.from.out
	if !ok {
		return nil, errLine
	}
	into := buf()
	return into[:copy(into, b)], nil
}

func (e *lineEnd) Send(msg []byte) error {
	e.unsent = append(e.unsent, append([]byte(nil), msg...))
	return nil
}

func (e *lineEnd) write(now bool) (bool, error) {
	for len(e.unsent) > 0 {
		if done, err := e.to.put(e.unsent[0], now); !done || err != nil {
			return false, err
		}
		e.unsent = e.unsent[1:]
	}
	return true, nil
}

func (e *lineEnd) Flush() error            { _, err := e.write(false); return err }
func (e *lineEnd) TryFlush() (bool, error) { return e.write(true) }
func (e *lineEnd) Max() int                { return e.max }
func (e *lineEnd) Binding() []byte         { return nil }
func (e *lineEnd) Kind() string            { return "line" }
func (e *lineEnd) Close() error            { e.to.end(); e.from.end(); return nil }

// station is a node as far as a Table and links make one. Everything it hears is for
// itself or for a station that it has a link to.
type station struct {
	t     *testing.T
	id    wire.ID
	table *session.Table
	armed chan struct{}
	done  chan struct{}
	ran   sync.WaitGroup
	got   sync.Map // how often each message came, by its text

	control sync.Mutex

	mu    sync.Mutex
	links []*Link // the best first hop first
}

func newStation(t *testing.T, n byte) *station {
	s := &station{t: t, id: wire.ID{n}, armed: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	s.table, err = session.New(session.Config{
		Self: s.id, Instance: wire.Instance{n}, Rand: rand.NewChaCha8([32]byte{n}), Null: true,
		Emit: s.emit, Holds: s.holds, Deliver: s.deliver,
		Arm: func(time.Time) {
			select {
			case s.armed <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run ticks the Table and the links.
func (s *station) run() {
	tick := time.NewTicker(limits.LinkTick)
	defer tick.Stop()
	for {
		wait := time.Hour
		if at, ok := s.table.Next(); ok {
			wait = max(time.Until(at), 0)
		}
		due := time.NewTimer(wait)
		select {
		case <-s.done:
			return
		case <-s.armed:
		case <-tick.C:
			s.tickLinks()
		case <-due.C:
			s.control.Lock()
			jobs := s.table.Tick(time.Now())
			s.control.Unlock()
			s.finish(jobs...)
		}
		due.Stop()
	}
}

func (s *station) tickLinks() {
	for _, l := range s.all() {
		h := l.Tick(time.Now(), [8]byte{1})
		if h.Dead != reason.None {
			l.Close(h.Dead)
		}
		if h.Changed && h.Suspect && s.healthy() != nil {
			s.reforward(l.TakeRing())
			s.table.Yield(time.Now(), l.Peer)
		}
	}
}

// all are the links.
func (s *station) all() []*Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.links)
}

// lost gives what a link that has ended leaves behind another way.
func (s *station) lost(l *Link) {
	s.mu.Lock()
	s.links = slices.DeleteFunc(s.links, func(o *Link) bool { return o == l })
	s.mu.Unlock()
	batch, _ := l.Leftover()
	s.reforward(batch)
}

func (s *station) reforward(batch []byte) {
	l := s.healthy()
	eachFrame(batch, func(frame []byte) {
		if l != nil {
			l.AppendFrame(Self, wire.FrameFlags(frame).Class(), frame)
			l.Rouse()
		}
	})
}

func (s *station) finish(jobs ...*session.Job) {
	for _, j := range jobs {
		j.Run()
		s.control.Lock()
		s.table.Finish(time.Now(), j)
		s.control.Unlock()
	}
}

// healthy is the best link in good standing, nil if there is none.
func (s *station) healthy() *Link {
	for _, l := range s.all() {
		if !l.Suspect() {
			return l
		}
	}
	return nil
}

// first is the first hop of a choice.
func (s *station) first(c session.Choice) *Link {
	var usable []*Link
	for _, l := range s.all() {
		if !l.Suspect() || s.healthy() == nil {
			usable = append(usable, l)
		}
	}
	for _, l := range usable {
		if l.Peer == c.Via {
			return l
		}
	}
	if len(usable) == 0 {
		return nil
	}
	return usable[c.K%len(usable)]
}

func (s *station) emit(frame []byte, c session.Choice) (wire.ID, bool) {
	l := s.first(c)
	if l == nil {
		return wire.ID{}, false
	}
	a := l.AppendOwn(wire.FrameFlags(frame).Class(), frame)
	if a != Queued && a != Full && a != Stalled {
		return wire.ID{}, false
	}
	return l.Peer, a == Queued
}

func (s *station) holds(hop *wire.ID, copy uint64, mark *uint64) session.Holding {
	for _, l := range s.all() {
		if l.Peer != *hop {
			continue
		}
		switch held := l.Holds(time.Now(), &s.id, copy, mark); {
		case held == NotHeld:
			return session.Gone
		case !l.Suspect() || s.healthy() == nil:
			return session.Moving
		case held == Waits:
			return session.Waiting
		}
		return session.Unacked
	}
	return session.Gone
}

func (s *station) deliver(d *session.Delivery) reason.Reason {
	n, _ := s.got.LoadOrStore(string(d.Data[:min(len(d.Data), 8)]), 0)
	s.got.Store(string(d.Data[:min(len(d.Data), 8)]), n.(int)+1)
	return reason.None
}

// HandleBatch implements Handler.
func (s *station) HandleBatch(l *Link, batch []byte) reason.Reason {
	var b session.Batch
	frames, kept := 0, 0
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			return reason.ProtocolError
		}
		if batch = rest; wire.IsLink(frame) {
			(&end{}).linkFrame(l, frame)
			continue
		}
		frames++
		if wire.FrameFlags(frame).Class() < wire.ClassBulk {
			kept++
		}
		s.frame(&b, l, frame)
	}
	s.table.EndBatch(&b, time.Now())
	l.Took(frames, kept)
	return reason.None
}

func (s *station) frame(b *session.Batch, by *Link, frame []byte) {
	if *wire.FrameDst(frame) != s.id {
		for _, l := range s.all() {
			if l.Peer == *wire.FrameDst(frame) {
				l.AppendFrame(by.Number, wire.FrameFlags(frame).Class(), frame)
				l.Rouse()
			}
		}
		return
	}
	if wire.FrameType(frame) == wire.TypeData {
		s.table.Receive(b, time.Now(), frame)
		return
	}
	s.control.Lock()
	j, _ := s.table.HandleHandshake(time.Now(), frame, session.Ingress{Link: by.Number})
	s.control.Unlock()
	if j != nil {
		s.finish(j)
	}
}

// join links two stations by a line of that rate each way.
func join(a, b *station, rate, room int, delay time.Duration) (both [2]*line) {
	record := min(room/2, 4<<10)
	mk := func(rate int) *line {
		l := &line{rate: rate, room: room, delay: delay, out: make(chan []byte, 1<<16)}
		l.moved.L = &l.mu
		return l
	}
	ab, ba := mk(rate), mk(rate)
	a.add(&lineEnd{to: ab, from: ba, max: record}, b.id)
	b.add(&lineEnd{to: ba, from: ab, max: record}, a.id)
	return [2]*line{ab, ba}
}

func (s *station) add(c Carrier, peer wire.ID) {
	l := New(Config{Number: uint64(len(s.links) + 1), Peer: peer, Carrier: c}, time.Now())
	l.OnRoom = func() { time.AfterFunc(0, func() { s.table.Room(time.Now(), peer) }) }
	s.links = append(s.links, l)
	s.ran.Go(func() { l.Run(s); s.lost(l) })
}

func start(all ...*station) {
	for _, s := range all {
		s.ran.Go(s.run)
	}
}

func stop(all ...*station) {
	for _, s := range all {
		close(s.done)
		for _, l := range s.all() {
			l.Close(reason.Closed)
		}
	}
	for _, s := range all {
		s.ran.Wait()
	}
	time.Sleep(time.Minute) // what is on its way comes to nothing
}

// results counts how messages ended.
type results struct {
	mu                        sync.Mutex
	acked, failed, sent, most int
	slowest                   time.Duration
}

// message is the i-th message of n bytes.
func message(to wire.ID, i, n int) session.Message {
	data := make([]byte, n)
	copy(data, []byte{byte(i >> 16), byte(i >> 8), byte(i)})
	return session.Message{To: to, Kind: wire.PlainMessage, Data: data, Patient: true}
}

func (r *results) send(s *station, m session.Message) {
	began := time.Now()
	_, err := s.table.Send(began, m, func(got session.Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if got.Err != nil {
			r.failed++
			return
		}
		r.acked, r.sent, r.most = r.acked+1, r.sent+got.Sent, max(r.most, got.Sent)
		r.slowest = max(r.slowest, time.Since(began))
	})
	if err != nil {
		s.t.Error(err)
	}
}

func (r *results) want(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Logf("%d acked, %d failed, %d copies, %d of one at most, the slowest after %v", r.acked, r.failed, r.sent, r.most, r.slowest)
	if r.acked != n || r.failed != 0 {
		t.Errorf("got %d messages acked and %d failed of %d", r.acked, r.failed, n)
	}
}

// What waits in a slow link of this node, or in its carrier, is sent once, however
// long that takes.
func TestSlowLineCarriesEachMessageOnce(t *testing.T) {
	for _, room := range []int{16 << 10, 200 << 10} { // the second holds more than the sent ring
		synctest.Test(t, func(t *testing.T) {
			a, b := newStation(t, 1), newStation(t, 2)
			join(a, b, 8_000, room, 25*time.Millisecond) // 64 kbit/s
			start(a, b)
			var r results
			const n, size = 720, 1_000
			for i := range n {
				r.send(a, message(b.id, i, size))
				time.Sleep(time.Minute / n)
			}
			time.Sleep(2 * time.Minute)
			r.want(t, n)
			if r.sent != n {
				t.Errorf("room of %d bytes: got %d copies of %d messages, want one of each", room, r.sent, n)
			}
			stop(a, b)
		})
	}
}

// A message that nothing is known of, behind and before a flood for another peer, is
// sent once, too: the timer asks the link that holds it.
func TestMessageBehindAFloodIsSentOnce(t *testing.T) {
	for _, room := range []int{16 << 10, 200 << 10} {
		synctest.Test(t, func(t *testing.T) {
			a, relay, b, c := newStation(t, 1), newStation(t, 2), newStation(t, 3), newStation(t, 4)
			join(a, relay, 32_000, room, 25*time.Millisecond)
			join(relay, b, 8_000_000, 64<<10, time.Millisecond)
			join(relay, c, 8_000_000, 64<<10, time.Millisecond)
			start(a, relay, b, c)
			var first, flood, lone results
			first.send(a, message(b.id, 0, 10))
			first.send(a, message(c.id, 0, 10))
			time.Sleep(time.Second)
			first.want(t, 2)
			for i := range 120 {
				flood.send(a, message(c.id, i+1, 1_000))
			}
			lone.send(a, message(b.id, 1, 1_000))
			for i := range 80 {
				flood.send(a, message(c.id, i+1_000, 1_000))
			}
			time.Sleep(2 * time.Minute)
			flood.want(t, 200)
			lone.want(t, 1)
			if flood.sent+lone.sent != 201 {
				t.Errorf("room of %d bytes: got %d and %d copies of 200 messages and one, want one of each", room, flood.sent, lone.sent)
			}
			stop(a, relay, b, c)
		})
	}
}

// A relay that dies with seconds of queue before it is left as soon as its carrier
// gives up: nobody waits for acks that cannot come.
func TestRelayThatDiesBehindAQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, dying, other, b := newStation(t, 1), newStation(t, 2), newStation(t, 3), newStation(t, 4)
		lines := join(a, dying, 32_000, 3_000, 25*time.Millisecond)
		join(a, other, 8_000_000, 64<<10, 25*time.Millisecond)
		more := join(dying, b, 8_000_000, 64<<10, time.Millisecond)
		join(other, b, 8_000_000, 64<<10, time.Millisecond)
		start(a, dying, other, b)
		var first, r results
		first.send(a, message(b.id, 0, 10))
		time.Sleep(time.Second)
		first.want(t, 1)
		const n = 220
		for i := range n {
			r.send(a, message(b.id, i+1, 1_000))
		}
		time.Sleep(3 * time.Second)
		for _, l := range append(lines[:], more[:]...) {
			l.die()
		}
		died := time.Now()
		before := r.count()
		for r.count() < n && time.Since(died) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		took := time.Since(died)
		t.Logf("%d messages waited, and came in %v", n-before, took)
		r.want(t, n)
		if before < n/4 || before > n/2 {
			t.Errorf("got %d of %d acked before, want a queue of seconds", before, n)
		}
		if took > limits.WriteStall+time.Second {
			t.Errorf("got the rest after %v, want it within a second of when the carrier gave up", took)
		}
		stop(a, dying, other, b)
	})
}

func (r *results) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acked + r.failed
}
