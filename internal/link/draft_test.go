package link

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
)

// party is one end of sessions under test. What it sends waits in out.
type party struct {
	tb    testing.TB
	id    wire.ID
	table *session.Table
	out   [][]byte
	got   []string // datagrams, each behind its port
	drops reason.Counters
}

func newParty(tb testing.TB, null bool) *party {
	tb.Helper()
	id, err := identity.New(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	static, err := identity.NewStatic(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	p := &party{tb: tb, id: id.ID()}
	p.table, err = session.New(session.Config{
		Self: p.id, Instance: wire.Instance{1}, Rand: rand.Reader, Null: null, Drops: &p.drops,
		Credentials: func(now time.Time) (identity.Static, []byte) {
			c := id.Certify(static.Public, now)
			return static, wire.AppendCert(nil, &c)
		},
		Emit: func(frame []byte, _ session.Choice) (wire.ID, bool) {
			p.out = append(p.out, append([]byte(nil), frame...))
			return wire.ID{1}, true
		},
		Deliver: func(d *session.Delivery) reason.Reason {
			if d.Kind == wire.PlainDatagram {
				p.got = append(p.got, fmt.Sprintf("%d:%s", d.DstPort, d.Data))
			}
			return reason.None
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// take takes one frame of another party.
func (p *party) take(frame []byte) {
	p.tb.Helper()
	now := time.Now()
	if wire.FrameType(frame) == wire.TypeHandshake {
		if j, why := p.table.HandleHandshake(now, frame, session.Ingress{Link: 1}); j != nil {
			j.Run()
			p.table.Finish(now, j)
		} else if why != reason.None {
			p.tb.Fatalf("handshake: %v", why)
		}
		return
	}
	var b session.Batch
	if why := p.table.Receive(&b, now, frame); why != reason.None {
		p.tb.Fatalf("frame of %d bytes: %v", len(frame), why)
	}
	p.table.EndBatch(&b, now)
}

// connect makes a session between two parties.
func connect(a, b *party) {
	if _, err := a.table.Send(time.Now(), session.Message{To: b.id, Kind: wire.PlainMessage}, func(session.Result) {}); err != nil {
		a.tb.Fatal(err)
	}
	for _, j := range a.table.Tick(time.Now()) {
		j.Run()
		a.table.Finish(time.Now(), j)
	}
	for len(a.out)+len(b.out) > 0 {
		from, to := a, b
		if len(a.out) == 0 {
			from, to = b, a
		}
		frame := from.out[0]
		from.out = from.out[1:]
		to.take(frame)
	}
}

func (p *party) opening(to *party, port uint16) *session.Opening {
	var o session.Opening
	if !p.table.Open(&o, nil, time.Now(), &to.id, port, 1) {
		p.tb.Fatal("no session")
	}
	return &o
}

// threeParties returns one with a session with each of the other two.
func threeParties(tb testing.TB, null bool) (a, b, c *party) {
	a, b, c = newParty(tb, null), newParty(tb, null), newParty(tb, null)
	connect(a, b)
	connect(a, c)
	return a, b, c
}

// deliver gives the frames of the records that a link has sent to those they are
// for, and tells how many there were.
func (d *drivenEnd) deliver(t testing.TB, to ...*party) (frames int) {
	t.Helper()
	slots := make(map[uint8][]byte)
	for _, batch := range d.tray.sent {
		for len(batch) > 0 {
			frame, rest, err := wire.NextInBatch(batch)
			if err != nil {
				t.Fatalf("record: %v", err)
			}
			batch = rest
			if p, err := wire.ParsePiece(frame); err == nil {
				slots[p.Slot] = append(slots[p.Slot], p.Bytes...)
				if !p.Last {
					continue
				}
				frame = slots[p.Slot]
				delete(slots, p.Slot)
			}
			for _, p := range to {
				if wire.FrameFlags(frame).Class() == wire.ClassBulk && *wire.FrameDst(frame) == p.id {
					p.take(append([]byte(nil), frame...))
				}
			}
			frames++
		}
	}
	d.tray.sent = nil
	return frames
}

func TestDatagramsThatWaitShareAFrame(t *testing.T) {
	for _, null := range []bool{false, true} {
		a, b, _ := threeParties(t, null)
		d := newDriven(drivenStart)
		for i := range 10 {
			if got := d.link.appendDatagram(a.opening(b, 7), []byte{'0' + byte(i)}); got != Queued {
				t.Fatalf("datagram %d: got %d, want %d", i, got, Queued)
			}
		}
		if got := d.link.queue.inlet(Self).byClass[wire.ClassBulk].head.datagrams(); got != 10 {
			t.Errorf("waiting: got %d datagrams, want 10", got)
		}
		d.link.Pump(drivenStart)
		if got := d.deliver(t, b); got != 1 {
			t.Errorf("got %d frames, want 1", got)
		}
		if len(b.got) != 10 || b.got[0] != "7:0" || b.got[9] != "7:9" {
			t.Errorf("got %q", b.got)
		}
		if d.link.txFrames != 1 || d.link.flushed != 10 {
			t.Errorf("got %d frames counted and a flush of %d, want 1 and 10", d.link.txFrames, d.link.flushed)
		}
	}
}

// What stands behind a frame closes it: another peer's, another port's or a
// sealed one.
func TestWhatClosesAFrame(t *testing.T) {
	a, b, c := threeParties(t, false)
	d := newDriven(drivenStart)
	add := func(o *session.Opening) {
		t.Helper()
		if got := d.link.appendDatagram(o, []byte("x")); got != Queued {
			t.Fatalf("got %d, want %d", got, Queued)
		}
	}
	for _, o := range []*session.Opening{a.opening(b, 7), a.opening(c, 7), a.opening(b, 7), a.opening(b, 8)} {
		add(o)
		add(o)
	}
	sealed, _ := a.table.AppendDatagram(nil, time.Now(), b.id, 7, 1, wire.ClassBulk, []byte("sealed"))
	d.link.AppendFrame(Self, wire.ClassBulk, sealed)
	add(a.opening(b, 8))
	d.link.AppendFrame(9, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 'a')) // another source's stands elsewhere
	d.link.AppendFrame(Self, wire.ClassAck, testFrame(wire.ClassAck, 60, 'a'))
	add(a.opening(b, 8))
	d.link.Pump(drivenStart)
	if got := d.deliver(t, b, c); got != 8 {
		t.Errorf("got %d frames, want 8", got)
	}
	if want := "[7:x 7:x 7:x 7:x 8:x 8:x 7:sealed 8:x 8:x]"; fmt.Sprint(b.got) != want {
		t.Errorf("one peer: got %v, want %v", b.got, want)
	}
	if want := "[7:x 7:x]"; fmt.Sprint(c.got) != want {
		t.Errorf("the other: got %v, want %v", c.got, want)
	}
	if d.link.ring.frames != 1 {
		t.Errorf("kept until acked: got %d frames, want the one of class 1", d.link.ring.frames)
	}
}

// A frame that left takes nothing any more.
func TestFlushClosesAFrame(t *testing.T) {
	a, b, _ := threeParties(t, false)
	d := newDriven(drivenStart)
	for range 3 {
		d.link.appendDatagram(a.opening(b, 7), []byte("x"))
		d.link.Pump(drivenStart)
	}
	if got := d.deliver(t, b); got != 3 || len(b.got) != 3 {
		t.Errorf("got %d frames and %d datagrams, want 3 of each", got, len(b.got))
	}
}

func TestDatagramsOfAnEndedLinkAreCounted(t *testing.T) {
	a, b, c := threeParties(t, false)
	d := newDriven(drivenStart)
	for range 100 {
		d.link.appendDatagram(a.opening(b, 7), make([]byte, 100))
	}
	d.link.appendDatagram(a.opening(c, 7), nil)
	d.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 'a'))
	d.link.Close(reason.Idle)
	if got := d.link.appendDatagram(a.opening(b, 7), nil); got != Ended {
		t.Errorf("append to an ended link: got %d, want %d", got, Ended)
	}
	if batch, lost := d.link.Leftover(); len(batch) > 0 || lost != 102 {
		t.Errorf("got %d bytes and %d lost, want none and 102", len(batch), lost)
	}
}

// A session that may seal no more leaves the queue as it was.
func TestSpentSessionQueuesNothing(t *testing.T) {
	a, b, _ := threeParties(t, false)
	o := a.opening(b, 7)
	for ok := true; ok; _, ok = o.Count() {
	}
	d := newDriven(drivenStart)
	if got := d.link.appendDatagram(o, []byte("x")); got != Spent {
		t.Errorf("got %d, want %d", got, Spent)
	}
	if in := d.link.queue.inlet(Self); d.link.queue.bytes != 0 || in.active || in.byClass[wire.ClassBulk].head != nil {
		t.Errorf("got %d bytes waiting, want none", d.link.queue.bytes)
	}
}

func TestDatagramsFillTheShare(t *testing.T) {
	a, b, _ := threeParties(t, false)
	d := newDriven(drivenStart)
	o, data := a.opening(b, 7), make([]byte, limits.SmallDatagram)
	n := 0
	for d.link.appendDatagram(o, data) == Queued {
		n++
	}
	if got := d.link.queue.bytes; got > limits.LinkQueue || got < limits.LinkQueue-1000 {
		t.Errorf("waiting: got %d bytes, want nearly %d", got, limits.LinkQueue)
	}
	d.link.MarkStalled(Self)
	if got := d.link.appendDatagram(o, data); got != Stalled {
		t.Errorf("a stalled source: got %d, want %d", got, Stalled)
	}
	d.link.Pump(drivenStart)
	if d.deliver(t, b); len(b.got) != n {
		t.Errorf("got %d datagrams, want %d", len(b.got), n)
	}
}

func TestDraftsAllocateNothing(t *testing.T) {
	a, b, _ := threeParties(t, false)
	o, data := a.opening(b, 7), make([]byte, 64)
	c := newChunk(largeChunk) // its own, for pools forget on purpose under the race detector
	list := chunks{c, c}
	if n := testing.AllocsPerRun(1000, func() {
		for range 2 {
			counter, _ := o.Count()
			for c.begin(o, counter, data); list.more(o, len(data), limits.RecordPayload) > 0; {
				c.add(data)
			}
		}
		c.sealDrafts()
		c.buf, c.frames = c.buf[:0], 0
	}); n != 0 {
		t.Errorf("allocations of two bundles: got %v, want 0", n)
	}
}

// Whatever a node sends in whatever order, the queue counts its bytes right and
// everything arrives, in order for each peer.
func TestDraftsModel(t *testing.T) {
	a, b, c := threeParties(t, false)
	rapid.Check(t, func(t *rapid.T) {
		b.got, c.got = nil, nil
		d := newDriven(drivenStart)
		max := rapid.SampledFrom([]int{limits.RecordPayload, 16 << 10, 1200}).Draw(t, "record")
		d.link.queue.recordMax = max
		want := map[*party][]string{}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			to := rapid.SampledFrom([]*party{b, b, b, c}).Draw(t, "peer")
			port := rapid.SampledFrom([]uint16{7, 7, 7, 8}).Draw(t, "port")
			data := fmt.Sprintf("%d %0*d", i, rapid.IntRange(0, limits.SmallDatagram-8).Draw(t, "size"), 0)
			d.link.queue.slow = rapid.IntRange(0, 9).Draw(t, "slow") == 0
			if rapid.IntRange(0, 9).Draw(t, "changes") == 0 {
				d.link.queue.pace(rapid.SampledFrom([]int{mbit, 400 * mbit}).Draw(t, "rate"), d.link.since)
			}
			switch rapid.IntRange(0, 15).Draw(t, "what") {
			case 0:
				d.link.Pump(drivenStart)
			case 1: // sealed by its sender, as large ones are
				frame, _ := a.table.AppendDatagram(nil, time.Now(), to.id, port, 1, wire.ClassBulk, []byte(data))
				if d.link.AppendFrame(Self, wire.ClassBulk, frame) == Queued {
					want[to] = append(want[to], fmt.Sprintf("%d:%s", port, data))
				}
			case 2:
				d.link.AppendFrame(9, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 'a'))
			case 3:
				d.link.AppendControl(wire.AppendPing(nil, [8]byte{}))
			default:
				if d.link.appendDatagram(a.opening(to, port), []byte(data)) == Queued {
					want[to] = append(want[to], fmt.Sprintf("%d:%s", port, data))
				}
			}
			if got := waiting(&d.link.queue); got != d.link.queue.bytes {
				t.Fatalf("got %d bytes counted, %d are waiting", d.link.queue.bytes, got)
			}
		}
		d.link.Pump(drivenStart)
		for _, record := range d.tray.sent {
			if len(record) > max {
				t.Fatalf("got a record of %d bytes, want at most %d", len(record), max)
			}
		}
		d.deliver(a.tb, b, c)
		for _, p := range []*party{b, c} {
			if fmt.Sprint(p.got) != fmt.Sprint(want[p]) {
				t.Fatalf("got  %.300q\nwant %.300q", p.got, want[p])
			}
		}
	})
}

// waiting counts the bytes in all chunks, and flows, of a queue.
func waiting(q *queue) (n int) {
	flows := make(map[*inlet]int)
	eachFlow(q, func(f *flow) {
		for c := f.frames.head; c != nil; c = c.next {
			flows[f.from.in] += len(c.buf)
		}
	})
	for _, in := range q.inlets {
		of := flows[in]
		for class := range in.byClass {
			for c := in.byClass[class].head; c != nil; c = c.next {
				of += len(c.buf)
			}
		}
		if of != in.bytes {
			return -1
		}
		n += of
	}
	return n
}

// eachFlow calls do with all flows of a queue.
func eachFlow(q *queue, do func(f *flow)) {
	if q.flows == nil {
		return
	}
	for _, f := range q.flows.byKey {
		do(f)
	}
	for _, s := range q.flows.sources {
		if s.rest != nil {
			do(s.rest)
		}
	}
}
