package session

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// direct is two Tables with a session, whose frames go nowhere unless kept.
type direct struct {
	a, b *Table
	to   wire.ID
	now  time.Time
	out  func(frame []byte)
}

// newDirect connects two Tables by way of a world and takes them out of it.
func newDirect(tb testing.TB) *direct {
	w, x, y := pair(tb, 80)
	w.connect(x, y)
	d := &direct{a: x.t, b: y.t, to: y.self, now: w.now}
	for _, n := range []*testNode{x, y} {
		n.t.counts = counts{1 << 40, 1 << 41}
		n.t.cfg.Emit = func(frame []byte, c Choice) (wire.ID, bool) {
			if d.out != nil {
				d.out(frame)
			}
			return wire.ID{}, true
		}
		n.t.cfg.Deliver = func(*Delivery) reason.Reason { return reason.None }
		n.t.cfg.Arm = nil
		for _, p := range n.t.peers {
			p.current.Load().hard, p.current.Load().renew = 1<<41, 1<<40
		}
	}
	return d
}

// open makes the window toward b as large as it can be: the frames of a batch are
// acked together.
func (d *direct) open() {
	o, at := &d.a.find(&d.to).out, d.a.at(d.now)
	o.by = wire.ID{}
	f := o.pathBy(&o.by, at)
	f.left, f.control.used, f.control.window = at, at, windowMost
}

func TestDatagramsDoNotAllocate(t *testing.T) {
	d := newDirect(t)
	data := make([]byte, 1024)
	buf := make([]byte, 0, limits.MaxFrame)
	var batch Batch
	n := testing.AllocsPerRun(1000, func() {
		frame, ok := d.a.AppendDatagram(buf, d.now, d.to, 1, 2, wire.ClassBulk, data)
		if !ok {
			t.Fatal("no session")
		}
		if why := d.b.Receive(&batch, d.now, frame); why != reason.None {
			t.Fatal(why)
		}
		d.b.EndBatch(&batch, d.now)
	})
	if n != 0 {
		t.Errorf("datagram: got %v allocations, want 0", n)
	}
}

// The bytes of the caller in front of the frame stay as they are, and without
// room the frame comes out right all the same.
func TestAppendDatagramAppends(t *testing.T) {
	d := newDirect(t)
	for _, room := range []int{0, 1, 100, 5000} {
		prefix := append(make([]byte, 0, 2+room), "ab"...)
		frame, ok := d.a.AppendDatagram(prefix, d.now, d.to, 1, 2, wire.ClassInteractive, []byte("data"))
		if !ok || !bytes.HasPrefix(frame, []byte("ab")) {
			t.Fatalf("room %d: got %v, prefix %q", room, ok, frame[:2])
		}
		f, err := wire.ParseFrame(frame[2:])
		if err != nil || f.Class != wire.ClassInteractive || f.Detour == nil || f.HopLimit != wire.MaxHopLimit {
			t.Errorf("room %d: got %+v, %v", room, f, err)
		}
		var got string
		d.b.cfg.Deliver = func(v *Delivery) reason.Reason { got = string(v.Data); return reason.None }
		if why := d.b.Receive(new(Batch), d.now, frame[2:]); why != reason.None || got != "data" {
			t.Errorf("room %d: got %v, %q", room, why, got)
		}
	}
	if _, ok := d.a.AppendDatagram(nil, d.now, wire.ID{9}, 1, 2, wire.ClassBulk, nil); ok {
		t.Error("unknown peer: got ok")
	}
}

func TestMaxOverhead(t *testing.T) {
	d := newDirect(t)
	p := d.a.find(&d.to)
	p.setHomes([]wire.ID{{1}, {2}})
	most := 0
	for class := range wire.Class(4) {
		frame, _ := d.a.AppendDatagram(nil, d.now, d.to, 1, 2, class, nil)
		most = max(most, len(frame))
	}
	if most != MaxOverhead {
		t.Errorf("longest empty datagram: got %d bytes, want MaxOverhead = %d", most, MaxOverhead)
	}
	p.setHomes(nil)
	if frame, _ := d.a.AppendDatagram(nil, d.now, d.to, 1, 2, wire.ClassBulk, nil); len(frame) != 76 {
		t.Errorf("empty datagram without options: got %d bytes, want 76", len(frame))
	}
	if limits.MaxMessage+MaxOverhead+messageHead > limits.MaxFrame {
		t.Error("the largest message does not fit the largest frame")
	}
}

var sizes = []int{64, 1 << 10, 16 << 10}

func BenchmarkAppendDatagram(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := newDirect(b)
			data, buf := make([]byte, size), make([]byte, 0, limits.MaxFrame)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := d.a.AppendDatagram(buf, d.now, d.to, 1, 2, wire.ClassBulk, data); !ok {
					b.Fatal("no session")
				}
			}
		})
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := newDirect(b)
			data := make([]byte, size)
			frames := make([][]byte, 256)
			var batch Batch
			b.SetBytes(int64(size))
			b.ReportAllocs()
			n := len(frames)
			for b.Loop() {
				if n == len(frames) {
					b.StopTimer()
					for i := range frames {
						frames[i], _ = d.a.AppendDatagram(frames[i][:0], d.now, d.to, 1, 2, wire.ClassBulk, data)
					}
					n = 0
					b.StartTimer()
				}
				if why := d.b.Receive(&batch, d.now, frames[n]); why != reason.None {
					b.Fatal(why)
				}
				n++
			}
		})
	}
}

// BenchmarkSendAck is a message sealed, opened, acked, the ack opened: batches
// of 64, as under flow.
func BenchmarkSendAck(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := newDirect(b)
			data := make([]byte, size)
			d.open()
			var there, back Batch
			var wire [][]byte
			n := 0
			d.out = func(frame []byte) {
				if n == len(wire) {
					wire = append(wire, nil)
				}
				wire[n] = append(wire[n][:0], frame...)
				n++
			}
			ended := 0
			done := func(Result) { ended++ }
			b.SetBytes(int64(size))
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				d.now = d.now.Add(10 * time.Microsecond)
				if _, err := d.a.Send(d.now, Message{To: d.to, Kind: 2, Data: data, Patient: true}, done); err != nil {
					b.Fatal(err)
				}
				if sent++; sent%64 == 0 {
					out := n
					for i := range out {
						d.b.Receive(&there, d.now, wire[i])
					}
					n = 0
					d.b.EndBatch(&there, d.now)
					for i := range n {
						d.a.Receive(&back, d.now, wire[i])
					}
					n = 0
				}
			}
			if ended < sent-64 {
				b.Fatalf("ended: got %d of %d", ended, sent)
			}
		})
	}
}

func BenchmarkFindPeer(b *testing.B) {
	d := newDirect(b)
	b.Run("recent", func(b *testing.B) {
		for b.Loop() {
			d.a.find(&d.to)
		}
	})
	b.Run("of 4096", func(b *testing.B) {
		var ids []wire.ID
		for i := range 4000 {
			id := identity.IDOf([32]byte{byte(i), byte(i >> 8)})
			ids = append(ids, id)
			d.a.peers[id] = newPeer(d.a, id, nil, 1)
		}
		i := 0
		for b.Loop() {
			d.a.find(&ids[i%len(ids)])
			i++
		}
	})
}
