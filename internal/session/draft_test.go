package session

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// open returns the Opening of a frame from n to port 7 of another node.
func (n *testNode) opening(to *testNode, src uint16) *Opening {
	n.w.t.Helper()
	var o Opening
	if !n.t.Open(&o, nil, n.w.now, &to.self, 7, src) {
		n.w.t.Fatal("no session to open a frame for")
	}
	return &o
}

// draft returns a frame of n with these datagrams, behind a few other bytes.
func (n *testNode) draft(o *Opening, list ...string) (buf []byte, d Draft) {
	n.w.t.Helper()
	counter, ok := o.Count()
	if !ok {
		n.w.t.Fatal("the session is spent")
	}
	buf, d = o.Begin([]byte("before"), counter, []byte(list[0]))
	if want := len("before") + o.Len(len(list[0])); len(buf) != want {
		n.w.t.Errorf("one datagram: got %d bytes, want %d", len(buf), want)
	}
	for _, s := range list[1:] {
		if !d.Takes(buf[len("before"):], o, len(s)) {
			n.w.t.Fatalf("a frame of %d datagrams does not take one more", d.Datagrams())
		}
		want := len(buf) + d.More(len(s))
		if buf = d.Add(buf, len("before"), []byte(s)); len(buf) != want {
			n.w.t.Errorf("%d datagrams: got %d bytes, want %d", d.Datagrams(), len(buf), want)
		}
	}
	return buf, d
}

// post seals a draft and lets it arrive.
func (n *testNode) post(to *testNode, buf []byte, d Draft) reason.Reason {
	frame := buf[len("before"):]
	d.Seal(frame)
	if string(buf[:len("before")]) != "before" {
		n.w.t.Error("sealing changed what stands before the frame")
	}
	return to.arrive(bytes.Clone(frame))
}

func (n *testNode) texts() (list []string) {
	for _, d := range n.got {
		list = append(list, d.data)
	}
	return list
}

// A datagram that stays alone is the very frame that is sealed at once.
func TestLoneDraftIsADatagram(t *testing.T) {
	w, a, b := pair(t, 110)
	w.connect(a, b)
	o := a.opening(b, 8)
	buf, d := a.draft(o, "alone")
	s := o.session
	s.sent.Add(^uint64(0)) // the same counter once more
	want, _ := a.t.AppendDatagram(nil, w.now, b.self, 7, 8, wire.ClassBulk, []byte("alone"))
	if d.Seal(buf[len("before"):]); !bytes.Equal(buf[len("before"):], want) {
		t.Errorf("got  %x\nwant %x", buf[len("before"):], want)
	}
}

func TestDatagramsOfADraftArriveInOrder(t *testing.T) {
	w, a, b := pair(t, 111)
	w.connect(a, b)
	sent := a.peerOf(b).current.Load().sent.Load()
	buf, d := a.draft(a.opening(b, 8), "one", "", "three")
	if d.Datagrams() != 3 {
		t.Errorf("got %d datagrams, want 3", d.Datagrams())
	}
	if why := a.post(b, buf, d); why != reason.None {
		t.Fatal(why)
	}
	if got := b.texts(); len(got) != 3 || got[0] != "one" || got[1] != "" || got[2] != "three" {
		t.Errorf("got %q", got)
	}
	for _, m := range b.got {
		if m.kind != wire.PlainDatagram || m.port != 7 || m.from != a.self || m.hops != 3 {
			t.Errorf("got %+v, want a datagram to port 7 over 3 links", m)
		}
	}
	if got := a.peerOf(b).current.Load().sent.Load() - sent; got != 1 {
		t.Errorf("got %d counters used, want 1", got)
	}
}

func TestWhatADraftTakes(t *testing.T) {
	w, a, b := pair(t, 112)
	c := w.add(nil)
	w.connect(a, b)
	w.connect(a, c)
	o := a.opening(b, 8)
	buf, d := a.draft(o, "one", "two")
	frame := buf[len("before"):]
	body := len(frame) - int(d.plain) - wire.PlainHeaderLen - TagLen
	most := limits.MaxBundle - body - wire.BundleHeader
	moved := *o
	moved.Head = bytes.Clone(o.Head)
	moved.Head[2]--
	for name, row := range map[string]struct {
		o    *Opening
		n    int
		want bool
	}{
		"the same":          {a.opening(b, 8), 3, true},
		"as many as fit":    {o, most, true},
		"one byte more":     {o, most + 1, false},
		"another port":      {a.opening(b, 9), 3, false},
		"another peer":      {a.opening(c, 8), 3, false},
		"another way":       {&moved, 3, false},
		"another way on":    {&Opening{Head: append(bytes.Clone(o.Head), 0), ports: o.ports, session: o.session}, 3, false},
		"a renewed session": {&Opening{Head: o.Head, ports: o.ports, session: new(session)}, 3, false},
	} {
		if got := d.Takes(frame, row.o, row.n); got != row.want {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
	if lone, d := a.draft(o, "lone"); d.Takes(lone[len("before"):], o, limits.MaxBundle-len("lone")-2*wire.BundleHeader+1) {
		t.Error("a lone datagram takes one more than fits beside the lengths of both")
	}
}

// A draft whose session goes before it is sealed is sealed with that all the same.
func TestDraftOutlivesItsSession(t *testing.T) {
	w, a, b := pair(t, 113)
	a.t.counts = counts{rekey: 100, hard: 1 << 20}
	w.connect(a, b)
	first := a.peerOf(b).current.Load()
	early, e := a.draft(a.opening(b, 8), "early", "too")
	late, l := a.draft(a.opening(b, 8), "late")
	for range 100 {
		a.opening(b, 8).Count()
	}
	a.opening(b, 8) // asks for a renewal
	w.run(time.Second)
	if a.peerOf(b).current.Load() == first {
		t.Fatal("no new session at its count")
	}
	if why := a.post(b, early, e); why != reason.None {
		t.Errorf("sealed after the renewal: %v", why)
	}
	a.forget(b)
	if why := a.post(b, late, l); why != reason.None {
		t.Errorf("sealed after the peer was forgotten: %v", why)
	}
	b.once("early", "too", "late")
}

func TestSpentSessionCountsNoFurther(t *testing.T) {
	w, a, b := pair(t, 114)
	a.t.counts = counts{rekey: 1 << 20, hard: 20}
	w.connect(a, b)
	o := a.opening(b, 8)
	for ok := true; ok; _, ok = o.Count() {
	}
	if got := o.session.sent.Load(); got != 20 {
		t.Errorf("got %d counters used, want 20", got)
	}
	if a.t.Open(o, nil, w.now, &b.self, 7, 8) {
		t.Error("a spent session opens a frame")
	}
}

func TestOpenNeedsASession(t *testing.T) {
	w, a, b := pair(t, 115)
	var o Opening
	if a.t.Open(&o, nil, w.now, &b.self, 7, 8) {
		t.Error("unknown peer: got ok")
	}
	a.send(b, "handshake")
	if a.t.Open(&o, nil, w.now, &b.self, 7, 8) {
		t.Error("no session yet: got ok")
	}
}

// sealed returns a frame of n with any plaintext at all.
func (n *testNode) sealed(to *testNode, kind uint8, body []byte) []byte {
	s := n.peerOf(to).current.Load()
	r := n.peerOf(to).route.Load()
	frame := r.append(nil, wire.TypeData, wire.ClassBulk, &r.first)
	from := len(frame) + wire.DataHeaderLen
	frame = append(frame, make([]byte, wire.DataHeaderLen)...)
	frame = append(wire.AppendPlainHeader(frame, wire.PlainHeader{Kind: kind, DstPort: 7, SrcPort: 8}), body...)
	frame, _, _ = s.seal(frame, from, wire.ClassBulk)
	return frame
}

func bundle(list ...string) (b []byte) {
	for _, s := range list {
		b = wire.AppendToBundle(b, []byte(s))
	}
	return b
}

func TestHostileBundles(t *testing.T) {
	w, a, b := pair(t, 116)
	w.connect(a, b)
	for name, body := range map[string][]byte{
		"empty":           nil,
		"one datagram":    bundle("alone"),
		"last one cut":    bundle("first", "second")[:12],
		"byte behind":     append(bundle("first", "second"), 0),
		"too long":        bundle("first", string(make([]byte, limits.MaxBundle))),
		"length too long": append(bundle("first", "second"), 0xff, 0xff),
	} {
		before := b.drops.Get(reason.Malformed)
		if why := b.arrive(a.sealed(b, wire.PlainBundle, body)); why != reason.Malformed || len(b.got) > 0 {
			t.Errorf("%s: got %v and %q delivered, want malformed and nothing", name, why, b.texts())
		}
		if got := b.drops.Get(reason.Malformed) - before; got != 1 {
			t.Errorf("%s: counted %d times, want once", name, got)
		}
	}
}

// Each datagram that its port does not take is counted.
func TestDatagramsOfABundleAreCounted(t *testing.T) {
	for name, row := range map[string]struct {
		taken string // the others are refused
		want  reason.Reason
		drops uint64
	}{
		"all taken":    {"abcd", reason.None, 0},
		"none taken":   {"", reason.PortFull, 4},
		"first taken":  {"a", reason.None, 3},
		"last taken":   {"d", reason.None, 3},
		"middle taken": {"bc", reason.None, 2},
	} {
		w, a, b := pair(t, 117)
		w.connect(a, b)
		b.deliver = func(d *Delivery) reason.Reason {
			if bytes.Contains([]byte(row.taken), d.Data) {
				return reason.None
			}
			return reason.PortFull
		}
		why := b.arrive(a.sealed(b, wire.PlainBundle, bundle("a", "b", "c", "d")))
		if got := b.drops.Get(reason.PortFull); why != row.want || got != row.drops || len(b.got) != len(row.taken) {
			t.Errorf("%s: got %v, %d drops, %q delivered; want %v, %d", name, why, got, b.texts(), row.want, row.drops)
		}
	}
}

func TestBundlesDoNotAllocate(t *testing.T) {
	d := newDirect(t)
	data, buf, head := make([]byte, 64), make([]byte, 0, limits.MaxFrame), make([]byte, 0, MaxOverhead)
	var batch Batch
	var o Opening
	n := testing.AllocsPerRun(1000, func() {
		if !d.a.Open(&o, head, d.now, &d.to, 1, 2) {
			t.Fatal("no session")
		}
		counter, _ := o.Count()
		frame, draft := o.Begin(buf, counter, data)
		for draft.Takes(frame, &o, len(data)) {
			frame = draft.Add(frame, 0, data)
		}
		draft.Seal(frame)
		if why := d.b.Receive(&batch, d.now, frame); why != reason.None {
			t.Fatal(why)
		}
		d.b.EndBatch(&batch, d.now)
	})
	if n != 0 {
		t.Errorf("a full bundle: got %v allocations, want 0", n)
	}
}

// Whatever is put into a draft comes out of it.
func TestDraftModel(t *testing.T) {
	w, a, b := pair(t, 118)
	w.connect(a, b)
	rapid.Check(t, func(t *rapid.T) {
		a.peerOf(b).setHomes([]wire.ID{{byte(rapid.IntRange(0, 3).Draw(t, "home"))}})
		o := a.opening(b, 8)
		list := rapid.SliceOfN(rapid.StringN(0, 300, limits.SmallDatagram), 1, 80).Draw(t, "datagrams")
		counter, _ := o.Count()
		frame, d := o.Begin(nil, counter, []byte(list[0]))
		n := 1
		for ; n < len(list) && d.Takes(frame, o, len(list[n])); n++ {
			frame = d.Add(frame, 0, []byte(list[n]))
		}
		if len(frame) > wire.LargeFrame {
			t.Fatalf("got a frame of %d bytes, want no large one", len(frame))
		}
		b.got = nil
		d.Seal(frame)
		if why := b.arrive(frame); why != reason.None || len(b.got) != n {
			t.Fatalf("got %v and %d datagrams, want %d", why, len(b.got), n)
		}
		for i, got := range b.texts() {
			if got != list[i] {
				t.Fatalf("datagram %d: got %q, want %q", i, got, list[i])
			}
		}
	})
}

// FuzzBundles lets a peer seal anything at all as a bundle: all of it is
// delivered, or nothing.
func FuzzBundles(f *testing.F) {
	f.Add(bundle("one", "", "three"))
	f.Add(bundle("one")[:3])
	f.Add([]byte{0, 0, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		w, a, b := pair(t, 119)
		w.connect(a, b)
		why := b.arrive(a.sealed(b, wire.PlainBundle, body))
		var got []byte
		for _, s := range b.texts() {
			got = wire.AppendToBundle(got, []byte(s))
		}
		switch {
		case why == reason.None && !bytes.Equal(got, body):
			t.Errorf("got %x of %x", got, body)
		case why != reason.None && (why != reason.Malformed || len(b.got) > 0):
			t.Errorf("got %v and %d datagrams, want malformed and none", why, len(b.got))
		}
	})
}

func BenchmarkBundle(b *testing.B) {
	d := newDirect(b)
	data, buf, head := make([]byte, 64), make([]byte, 0, limits.MaxFrame), make([]byte, 0, MaxOverhead)
	var o Opening
	var draft Draft
	frame := buf
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if !d.a.Open(&o, head, d.now, &d.to, 1, 2) {
			b.Fatal("no session")
		}
		if len(frame) > 0 && draft.Takes(frame, &o, len(data)) {
			frame = draft.Add(frame, 0, data)
			continue
		}
		if len(frame) > 0 {
			draft.Seal(frame)
		}
		counter, _ := o.Count()
		frame, draft = o.Begin(buf, counter, data)
	}
}
