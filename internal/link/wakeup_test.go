package link

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
)

// leaves is what a carrier's TryFlush leaves for Flush.
type leaves int

const (
	leavesNothing leaves = iota // TCP with room
	leavesSome                  // TCP that fills up
	leavesAll                   // TLS, WebRTC under load
)

// modelCarrier is any carrier: it may leave something when it is not to block, take
// nothing for a while, be slow in the middle of a call, and break.
type modelCarrier struct {
	leaves leaves

	mu        sync.Mutex
	changed   sync.Cond
	gathered  [][]byte
	delivered [][]byte
	arriving  [][]byte
	stuck     bool // nothing is taken: TryFlush leaves all, Flush waits
	slow      bool // TryFlush and Flush do not return
	full      bool // the line has no room
	broken    bool
	closed    bool
}

func newModelCarrier(l leaves) *modelCarrier {
	c := &modelCarrier{leaves: l}
	c.changed.L = &c.mu
	return c
}

func (c *modelCarrier) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	c.changed.Broadcast()
}

var errBroken = errors.New("broken")

// failure needs mu.
func (c *modelCarrier) failure() error {
	switch {
	case c.closed:
		return transport.ErrClosed
	case c.broken:
		return errBroken
	}
	return nil
}

func (c *modelCarrier) Send(msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gathered = append(c.gathered, append([]byte(nil), msg...))
	return c.failure()
}

// take needs mu.
func (c *modelCarrier) take(n int) {
	c.delivered = append(c.delivered, c.gathered[:n]...)
	c.gathered = c.gathered[n:]
}

func (c *modelCarrier) TryFlush() (done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.slow && c.failure() == nil {
		c.changed.Wait()
	}
	switch {
	case c.failure() != nil || c.stuck:
	case c.leaves == leavesNothing:
		c.take(len(c.gathered))
	case c.leaves == leavesSome && len(c.gathered) > 1:
		c.take(1)
	}
	return c.failure() == nil && len(c.gathered) == 0, c.failure()
}

func (c *modelCarrier) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.stuck || c.slow) && c.failure() == nil {
		c.changed.Wait()
	}
	if c.failure() == nil {
		c.take(len(c.gathered))
	}
	return c.failure()
}

// line is what the carrier knows of its line.
func (c *modelCarrier) line() (Line, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := Line{RTT: 40 * time.Millisecond, Segment: 1448}
	if c.full {
		l.Held = 1 << 30
	}
	return l, true
}

func (c *modelCarrier) Receive(buf func() []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.arriving) == 0 && !c.closed {
		c.changed.Wait()
	}
	if c.closed {
		return nil, transport.ErrClosed
	}
	room := buf()
	n := copy(room, c.arriving[0])
	c.arriving = c.arriving[1:]
	return room[:n], nil
}

func (c *modelCarrier) Max() int        { return limits.MaxRecord }
func (c *modelCarrier) Binding() []byte { return nil }
func (c *modelCarrier) Kind() string    { return "model" }
func (c *modelCarrier) Close() error {
	c.change(func() { c.closed = true })
	return nil
}

// modelLink is a link on such a carrier, and what is expected of it.
type modelLink struct {
	*Link
	carrier *modelCarrier
	all     sync.WaitGroup // of what goes on
	waiters sync.WaitGroup // for room
	waiting atomic.Int32   // how many of them

	ran, dismissed, finished, closed, broke bool
	lined                                   bool // the carrier tells of its line

	mu     sync.Mutex
	want   map[uint32]int // frames that were taken, by number
	number uint32         // of the last frame
}

func newModelLink(l leaves, lined bool) *modelLink {
	c := newModelCarrier(l)
	cfg := Config{Number: 1, Carrier: c}
	if lined {
		cfg.Line = c.line
	}
	return &modelLink{Link: New(cfg, time.Now()), carrier: c, want: make(map[uint32]int), number: 1000, lined: lined}
}

func (m *modelLink) HandleBatch(l *Link, batch []byte) reason.Reason {
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			return reason.ProtocolError
		}
		if nonce, err := wire.ParsePing(frame); err == nil {
			l.OnPing(nonce)
		}
		batch = rest
	}
	return reason.None
}

// next is a number that no other frame has, nor an ack of the link itself.
func (m *modelLink) next() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.number++
	return m.number
}

// mesh makes a mesh frame with the next number, its length before it.
func (m *modelLink) mesh(class wire.Class, n int) (f []byte, number uint32) {
	f, number = testFrame(class, n, 0), m.next()
	binary.BigEndian.PutUint32(f[4:], number)
	return f, number
}

func (m *modelLink) expect(number uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want[number]++
}

// steps are what can happen to a link, by a letter.
var steps = map[byte]func(m *modelLink){
	'R': func(m *modelLink) { m.run((*Link).Run) },
	'D': func(m *modelLink) {
		m.dismissed = m.dismissed || !m.ran
		m.run(func(l *Link, _ Handler) { l.Dismiss() })
	},
	'o': func(m *modelLink) { // a frame of the node itself
		f, number := m.mesh(wire.ClassInteractive, 60)
		if m.AppendOwn(wire.ClassInteractive, f[wire.BatchHeader:]) == Queued {
			m.expect(number)
		}
	},
	'a': func(m *modelLink) { m.forward(1) },
	'A': func(m *modelLink) { m.forward(3 * limits.InlineFrames) },
	'c': func(m *modelLink) { // a link frame
		number := m.next()
		if m.AppendControl(wire.AppendLinkAck(nil, wire.Taken{Count: uint64(number)})) == Queued {
			m.expect(number)
		}
	},
	'p': func(m *modelLink) { m.Ping(time.Now(), [8]byte{1}) },
	'q': func(m *modelLink) { // the peer pings
		m.carrier.change(func() {
			m.carrier.arriving = append(m.carrier.arriving, wire.AppendToBatch(nil, wire.AppendPing(nil, [8]byte{2})))
		})
	},
	'k': func(m *modelLink) { tookMuch(m.Link) },
	't': func(m *modelLink) { m.Tick(time.Now(), [8]byte{3}) },
	'w': func(m *modelLink) { // the queue fills up, and somebody waits for room
		for {
			f, number := m.mesh(wire.ClassBulk, 30_000)
			if m.give(7, wire.ClassBulk, f, 1) != Queued {
				break
			}
			m.expect(number)
		}
		f, number := m.mesh(wire.ClassBulk, 30_000)
		m.waiting.Add(1)
		m.waiters.Go(func() {
			defer m.waiting.Add(-1)
			m.Rouse()
			for m.WaitOr(7, len(f), nil, nil) {
				if a := m.give(7, wire.ClassBulk, f, 1); a == Queued {
					m.expect(number)
				} else if a == Full {
					continue
				}
				m.Rouse()
				return
			}
		})
	},
	'l': func(m *modelLink) { m.carrier.change(func() { m.carrier.full = true }) },
	'e': func(m *modelLink) { m.carrier.change(func() { m.carrier.full = false }) },
	'K': func(m *modelLink) { m.acked() },
	's': func(m *modelLink) { m.carrier.change(func() { m.carrier.stuck = true }) },
	'h': func(m *modelLink) { m.carrier.change(func() { m.carrier.slow = true }) },
	'u': func(m *modelLink) { m.unblock() },
	'b': func(m *modelLink) { m.carrier.change(func() { m.carrier.broken = true }); m.broke = true },
	'F': func(m *modelLink) {
		m.finished = true
		m.Finish(wire.AppendBye(nil, &wire.Bye{Reason: uint8(reason.Leaving)}), reason.Leaving)
	},
	'X': func(m *modelLink) { m.closed = true; m.Link.Close(reason.Closed) },
	'.': func(m *modelLink) { synctest.Wait() },
	'z': func(m *modelLink) { time.Sleep(limits.IdleTick) },
}

func (m *modelLink) run(how func(*Link, Handler)) {
	if !m.ran {
		m.ran = true
		m.all.Go(func() { how(m.Link, m) })
	}
}

// forward appends frames as a reader of another link does.
func (m *modelLink) forward(n int) {
	for range n {
		f, number := m.mesh(wire.ClassBulk, 60)
		if m.give(9, wire.ClassBulk, f, 1) == Queued {
			m.expect(number)
		}
	}
	if !m.Kick(n) {
		m.Rouse()
	}
}

func (m *modelLink) unblock() {
	m.carrier.change(func() { m.carrier.stuck, m.carrier.slow, m.carrier.full = false, false, false })
}

// acked is an ack of all that the carrier was given.
func (m *modelLink) acked() {
	m.Link.mu.Lock()
	all := m.allTaken()
	m.Link.mu.Unlock()
	m.OnAck(time.Now(), all)
}

// read has the neighbour read all that comes, until nothing more does.
func (m *modelLink) read() {
	for range 200 {
		synctest.Wait()
		m.Link.mu.Lock()
		rest := m.waits() && !m.ended
		m.Link.mu.Unlock()
		if !rest {
			return
		}
		m.acked()
		time.Sleep(limits.LinkTick)
	}
}

// play lets the steps happen, one after the other or some at once, and then nothing
// more: the carrier takes all, the link runs. It says what is wrong then.
func (m *modelLink) play(sequence string, settle, quiet bool) string {
	for i := range len(sequence) {
		step := steps[sequence[i]]
		if quiet {
			time.Sleep(limits.InlineQuiet)
		}
		switch sequence[i] {
		case '.', 'z', 'R', 'D':
			step(m)
		default:
			m.all.Go(func() { step(m) })
		}
		if settle {
			synctest.Wait()
		}
	}
	synctest.Wait()
	m.unblock()
	m.run((*Link).Run)
	if m.dismissed { // what is not wanted is ended by somebody
		steps['F'](m)
	}
	if m.lined {
		m.read()
	}
	synctest.Wait()
	fault := m.fault()
	m.Link.Close(reason.Closed)
	m.all.Wait()
	m.waiters.Wait()
	return fault
}

// fault is what a link that has come to rest has left undone.
func (m *modelLink) fault() string {
	ended := func() bool {
		select {
		case <-m.Done():
			return true
		default:
			return false
		}
	}
	switch {
	case m.closed:
		if !ended() {
			return "it was closed and has not ended"
		}
		return ""
	case m.broke:
		m.Link.mu.Lock()
		writing := m.writing
		m.Link.mu.Unlock()
		time.Sleep(limits.ByeGrace)
		synctest.Wait()
		if writing && !ended() {
			return "its carrier broke and it has not ended"
		}
		return ""
	case m.finished && !ended():
		return "it was finished and has not ended"
	case !m.finished && ended():
		return fmt.Sprintf("it has ended by itself: %v", m.Cause())
	}
	m.Link.mu.Lock()
	state := fmt.Sprintf("pending=%v sealed=%v writing=%v", m.pending(), m.sealed, m.writing)
	rest := !m.finished && (m.waits() || m.sealed || m.writing)
	m.Link.mu.Unlock()
	switch waiting := m.waiting.Load(); {
	case rest:
		return "nobody writes: " + state
	case waiting > 0:
		return fmt.Sprintf("%d wait for room that there is", waiting)
	}
	return m.compare()
}

// compare says which frames were lost or came twice.
func (m *modelLink) compare() string {
	m.carrier.mu.Lock()
	defer m.carrier.mu.Unlock()
	if n := len(m.carrier.gathered); n > 0 {
		return fmt.Sprintf("the carrier holds %d messages that nobody flushes", n)
	}
	got, byes, pieces := make(map[uint32]int), 0, parts{}
	for _, batch := range m.carrier.delivered {
		for len(batch) > 0 {
			frame, rest, err := wire.NextInBatch(batch)
			if err != nil {
				return err.Error()
			}
			if batch, frame = rest, pieces.join(frame); frame == nil {
				continue
			}
			switch {
			case byes > 0:
				return "a frame behind the bye"
			case !wire.IsLink(frame):
				got[binary.BigEndian.Uint32(frame[2:])]++
			case wire.LinkType(frame[0]) == wire.LinkBye:
				byes++
			case wire.LinkType(frame[0]) == wire.LinkAck:
				if n, err := wire.ParseLinkAck(frame); err == nil && m.want[uint32(n.Count)] > 0 {
					got[uint32(n.Count)]++
				}
			}
		}
	}
	if m.finished && byes != 1 {
		return fmt.Sprintf("%d byes, want 1", byes)
	}
	for number, n := range m.want {
		if got[number] != n {
			return fmt.Sprintf("frame %d came %d times, want %d", number, got[number], n)
		}
	}
	return ""
}

var wakeSeed = flag.Uint64("wakeseed", 1, "of the random orders in TestNoWakeUpIsLost")

// Whatever is done to a link in whatever order, before it runs or while it does, on
// whatever carrier: once everything has come to rest nothing waits to be written,
// all that was taken has left once, and a link that is to end has ended.
func TestNoWakeUpIsLost(t *testing.T) {
	t.Run("every order of three", func(t *testing.T) {
		const letters = "RDoaAcpqktwshubFX"
		for _, left := range []leaves{leavesNothing, leavesSome, leavesAll} {
			synctest.Test(t, func(t *testing.T) {
				for i := range len(letters) * len(letters) * len(letters) {
					n := len(letters)
					sequence := string([]byte{letters[i/n/n], letters[i/n%n], letters[i%n]})
					if fault := newModelLink(left, false).play(sequence, true, true); fault != "" {
						t.Fatalf("%s, carrier leaves %d: %s", sequence, left, fault)
					}
				}
			})
		}
	})
	t.Run("every order of three on a line", func(t *testing.T) {
		const letters = "RDoAckwlKuFX"
		synctest.Test(t, func(t *testing.T) {
			n := len(letters)
			for i := range n * n * n {
				sequence := "wl" + string([]byte{letters[i/n/n], letters[i/n%n], letters[i%n]})
				if fault := newModelLink(leavesSome, true).play(sequence, true, true); fault != "" {
					t.Fatalf("%s: %s", sequence, fault)
				}
			}
		})
	})
	t.Run("random orders", func(t *testing.T) {
		count := 1000
		if testing.Short() {
			count = 100
		}
		letters := "RRRDooaaAccpqkttwsshhuuulleKK..zz" // ends are rarer
		synctest.Test(t, func(t *testing.T) {
			for i := range count {
				random := rand.New(rand.NewPCG(*wakeSeed, uint64(i)))
				var b strings.Builder
				for range 4 + random.IntN(20) {
					b.WriteByte(letters[random.IntN(len(letters))])
				}
				if end := random.IntN(4); end > 0 {
					b.WriteByte("FXb"[end-1])
					b.WriteByte(letters[random.IntN(len(letters))])
				}
				left, settle, quiet := leaves(random.IntN(3)), random.IntN(2) == 0, random.IntN(2) == 0
				order, lined := b.String(), random.IntN(2) == 0
				if fault := newModelLink(left, lined).play(order, settle, quiet); fault != "" {
					t.Fatalf("seed %d, order %d: %s (carrier leaves %d, lined %v, settle %v, quiet %v): %s", *wakeSeed, i, order, left, lined, settle, quiet, fault)
				}
			}
		})
	})
}
