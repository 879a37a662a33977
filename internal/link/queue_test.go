package link

import (
	"bytes"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// testFrame is a length-prefixed frame of n bytes in all, of a class, marked m.
func testFrame(class wire.Class, n int, m byte) []byte {
	f := make([]byte, n-wire.BatchHeader)
	f[0], f[1], f[2] = byte(wire.TypeData), byte(class), m
	return wire.AppendToBatch(nil, f)
}

// marks lists the marks of the frames in a batch.
func marks(t *testing.T, batch []byte) (m []byte) {
	t.Helper()
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		m, batch = append(m, frame[2]), rest
	}
	return m
}

// give is Append for those who do not care about the rest.
func (l *Link) give(src uint64, class wire.Class, run []byte, n int) Admission {
	_, a := l.Append(src, class, run, n)
	return a
}

func drainMarks(t *testing.T, q *queue) (m []byte) {
	t.Helper()
	for q.bytes > 0 {
		var out chunks
		q.take(&out)
		for out.head != nil {
			c := out.pop()
			m = append(m, marks(t, c.buf)...)
			c.free()
		}
	}
	return m
}

func TestClassesOrderWithinASource(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	in := q.inlet(1)
	for i, class := range []wire.Class{wire.ClassBulk, wire.ClassInteractive, wire.ClassAck, wire.ClassControl, wire.ClassBulk} {
		q.push(in, class, testFrame(class, 100, byte(i)), 1)
	}
	if got, want := drainMarks(t, &q), []byte{3, 2, 1, 0, 4}; !bytes.Equal(got, want) {
		t.Errorf("order: got %v, want %v", got, want)
	}
}

func TestSourcesTakeTurns(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	flood, light := q.inlet(1), q.inlet(2)
	for range 4 { // each fills a chunk of its own
		q.push(flood, wire.ClassBulk, testFrame(wire.ClassBulk, 60_000, 1), 1)
	}
	q.push(light, wire.ClassBulk, testFrame(wire.ClassBulk, 100, 2), 1)
	if got, want := drainMarks(t, &q), []byte{1, 2, 1, 1, 1}; !bytes.Equal(got, want) {
		t.Errorf("order: got %v, want %v", got, want)
	}
}

func TestShares(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	a, b := q.inlet(1), q.inlet(2)
	fill := func(in *inlet) (n int) {
		f := testFrame(wire.ClassBulk, 1000, 0)
		for q.fits(in, len(f)) {
			q.push(in, wire.ClassBulk, f, 1)
			n += len(f)
		}
		return n
	}
	if got := fill(a); got <= limits.LinkQueue-1000 || got > limits.LinkQueue {
		t.Errorf("alone: got %d bytes, want nearly %d", got, limits.LinkQueue)
	}
	if got := fill(b); got <= limits.LinkQueue/2-1000 || got > limits.LinkQueue/2 {
		t.Errorf("the second of two: got %d bytes, want nearly %d", got, limits.LinkQueue/2)
	}
	for n := uint64(3); n < 40; n++ {
		if got := fill(q.inlet(n)); got < limits.LinkQueueShareMin-1000 {
			t.Fatalf("source %d: got %d bytes, want at least nearly %d", n, got, limits.LinkQueueShareMin)
		}
	}
	if !q.fits(q.inlet(99), limits.MaxFrame) {
		t.Error("an empty source: the largest frame does not fit")
	}
}

func TestStalledSourceIsRefusedUntilHalfItsShareIsFree(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	in := q.inlet(1)
	f := testFrame(wire.ClassBulk, 60_000, 0)
	for q.fits(in, len(f)) {
		q.push(in, wire.ClassBulk, f, 1)
	}
	in.stalled = true
	var out chunks
	q.take(&out) // at least limits.LinkBatch of four chunks: one or two are left
	for in.bytes > limits.LinkQueue/2 {
		if q.fits(in, 100) {
			t.Fatalf("with %d bytes waiting: admitted, want refused", in.bytes)
		}
		q.take(&out)
	}
	if !q.fits(in, 100) || in.stalled {
		t.Errorf("with %d bytes waiting: refused, want admitted", in.bytes)
	}
}

func TestSmallChunksShareARecord(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	for src := uint64(1); src <= 8; src++ {
		q.push(q.inlet(src), wire.ClassBulk, testFrame(wire.ClassBulk, 200, byte(src)), 1)
	}
	var out chunks
	if got, _ := q.take(&out); got != 8 {
		t.Errorf("frames taken: got %d, want 8", got)
	}
	records := 0
	for ; out.head != nil; records++ {
		out.pop().free()
	}
	if records != 1 {
		t.Errorf("records: got %d, want 1", records)
	}
}

func TestRecordLimitIsKept(t *testing.T) {
	for _, max := range []int{limits.RecordPayload, 16 << 10, 70} {
		q := newQueue(max)
		in := q.inlet(1)
		for i := range 200 {
			q.push(in, wire.ClassBulk, testFrame(wire.ClassBulk, 20+i%50, byte(i)), 1)
		}
		var out chunks
		for q.bytes > 0 {
			q.take(&out)
		}
		for out.head != nil {
			c := out.pop()
			if len(c.buf) > max || len(c.buf)+sealRoom > cap(c.buf) {
				t.Fatalf("record limit %d: got %d bytes with room for %d", max, len(c.buf), cap(c.buf))
			}
		}
	}
}

func TestForgottenSourceLeavesNothing(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	q.push(q.inlet(1), wire.ClassBulk, testFrame(wire.ClassBulk, 100, 1), 1)
	q.forget(1)
	if got := drainMarks(t, &q); len(got) != 1 {
		t.Errorf("frames of a gone source: got %d, want 1", len(got))
	}
	if len(q.inlets) != 0 || q.last != nil {
		t.Errorf("inlets: got %d, want none", len(q.inlets))
	}
}

func TestDrainSortsWhatCanGoAnotherWay(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	q.push(q.inlet(1), wire.ClassBulk, testFrame(wire.ClassBulk, 100, 1), 1)
	q.push(q.inlet(1), wire.ClassAck, testFrame(wire.ClassAck, 100, 2), 1)
	batch, bulk := q.drain()
	if got := marks(t, batch); !bytes.Equal(got, []byte{2}) || bulk != 1 {
		t.Errorf("got frames %v and %d bulk, want [2] and 1", got, bulk)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	run := testFrame(wire.ClassBulk, 1000, 1)
	var out chunks
	if n := testing.AllocsPerRun(1000, func() {
		q.push(q.inlet(1), wire.ClassBulk, run, 1)
		q.take(&out)
		out.pop().free()
	}); n > 0.1 { // a pool may be emptied by the collector
		t.Errorf("allocations per frame: got %v, want 0", n)
	}
}

// On a slow link the next source waits for little: each flush takes one chunk,
// and chunks are short.
func TestSlowLinkTakesLittle(t *testing.T) {
	q := newQueue(limits.RecordPayload)
	q.flush = limits.SlowBatch
	flood, light := q.inlet(1), q.inlet(2)
	f := testFrame(wire.ClassBulk, 1000, 0)
	for q.fits(flood, len(f)) {
		q.push(flood, wire.ClassBulk, f, 1)
	}
	q.push(light, wire.ClassBulk, testFrame(wire.ClassBulk, 100, 1), 1)
	before := q.bytes
	var out chunks
	q.take(&out)
	if got := before - q.bytes; got > limits.SlowBatch {
		t.Errorf("taken: got %d bytes, want at most %d", got, limits.SlowBatch)
	}
	if q.take(&out); light.bytes > 0 {
		t.Error("the other source waits for a second batch of the first")
	}
}

// Of a run for which there is no room the first frames go in, and the rest is handed
// back; a stalled source gets none in.
func TestRunGoesInAsFarAsItFits(t *testing.T) {
	d := newDriven(drivenStart)
	run := bytes.Repeat(testFrame(wire.ClassBulk, 1_000, 0), 32)
	rest, a, given := run, Queued, 0
	for a == Queued {
		rest, a = d.link.Append(7, wire.ClassBulk, run, 32)
		given += len(run)
	}
	if got := d.link.queue.bytes + len(rest); got != given {
		t.Errorf("got %d bytes waiting or left, want the %d given", got, given)
	}
	if got := d.link.queue.bytes; a != Full || len(rest) == 0 || len(rest)%1_000 != 0 || got <= limits.LinkQueue-1_000 || got > limits.LinkQueue {
		t.Errorf("got %v with %d bytes waiting and %d left, want nearly %d", a, got, len(rest), limits.LinkQueue)
	}
	d.link.MarkStalled(7)
	if rest, a := d.link.Append(7, wire.ClassBulk, run, 32); a != Stalled || len(rest) != len(run) {
		t.Errorf("stalled: got %v and %d bytes left, want %v and all", a, len(rest), Stalled)
	}
}
