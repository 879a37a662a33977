package link

import (
	"bytes"
	"testing"

	"github.com/peermesh/peermesh/internal/budget"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// pieceMessage is a carrier message with a piece.
func pieceMessage(slot int, last bool, b []byte) []byte {
	return wire.AppendToBatch(nil, wire.AppendPiece(nil, &wire.Piece{Slot: uint8(slot), Last: last, Bytes: b}))
}

// A peer that breaks the rules of pieces has its link ended, whatever it holds then.
func TestBadPiecesEndTheLink(t *testing.T) {
	mesh := dataFrame(wire.ClassInteractive, 1, 2, wire.MaxFrame)
	least := mesh[:wire.MinPiece]
	row := func(n int, msg func(i int) []byte) (all [][]byte) {
		for i := range n {
			all = append(all, msg(i))
		}
		return all
	}
	for name, messages := range map[string][][]byte{
		"65 slots":                  row(limits.PieceSlots+1, func(i int) []byte { return pieceMessage(i, false, least) }),
		"a frame that is too long":  {pieceMessage(1, false, mesh[:60_000]), pieceMessage(1, true, mesh[:5_001])},
		"empty":                     {pieceMessage(1, false, nil)},
		"an empty last one":         {pieceMessage(1, false, least), pieceMessage(1, true, nil)},
		"short":                     {pieceMessage(1, false, least[1:])},
		"a link frame":              {pieceMessage(1, true, wire.AppendPing(nil, [8]byte{}))},
		"a piece of a piece":        {pieceMessage(1, true, pieceMessage(2, true, mesh)[wire.BatchHeader:][:60_000])},
		"behind it another frame":   {append(pieceMessage(1, true, least), pieceMessage(2, true, least)...)},
		"another flag":              {wire.AppendToBatch(nil, append([]byte{byte(wire.LinkPiece), 1, 2}, least...))},
		"cut":                       {pieceMessage(1, true, least)[:100]},
		"more than they may hold":   row(limits.PieceBytes/wire.MinPiece+1, func(i int) []byte { return pieceMessage(i%limits.PieceSlots, false, least) }),
		"frames that have no end":   row(4, func(i int) []byte { return pieceMessage(i, false, mesh[:60_000]) }),
		"one that grows on and on":  row(47, func(int) []byte { return pieceMessage(0, false, least) }),
		"a link frame in its place": {pieceMessage(1, false, append([]byte{0x80}, least...))},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriven(drivenStart)
			for i, msg := range messages {
				want := reason.None
				if i == len(messages)-1 {
					want = reason.ProtocolError
				}
				if got := d.link.Handle(d, bytes.Clone(msg)); got != want {
					t.Fatalf("message %d of %d: got %v, want %v", i+1, len(messages), got, want)
				}
			}
			if len(d.got) > 0 {
				t.Errorf("got %d batches, want none", len(d.got))
			}
		})
	}
}

// Slots are used again, and a frame may come in one piece.
func TestSlotsAreUsedAgain(t *testing.T) {
	d := newDriven(drivenStart)
	f := dataFrame(wire.ClassInteractive, 1, 2, 5_000)
	for range 1_000 {
		for _, msg := range [][]byte{pieceMessage(63, false, f[:2_000]), pieceMessage(7, true, f), pieceMessage(63, true, f[2_000:])} {
			if why := d.link.Handle(d, msg); why != reason.None {
				t.Fatalf("got %v", why)
			}
		}
	}
	if want := wire.AppendToBatch(nil, f); len(d.got) != 2_000 || !bytes.Equal(d.got[0], want) || !bytes.Equal(d.got[1_999], want) {
		t.Errorf("got %d batches, want 2,000 of one frame", len(d.got))
	}
	if d.link.joiner != nil {
		t.Error("memory for pieces is kept")
	}
}

// Each piece owes an ack: without one a long frame on a slow line would look like a
// neighbour that takes nothing.
func TestPiecesOweAcks(t *testing.T) {
	d := newDriven(drivenStart)
	d.link.Handle(d, pieceMessage(1, false, make([]byte, wire.MinPiece)))
	if !d.link.owing.ack.Load() || d.link.rx.taken.Load() == 0 || d.link.rx.frames.Load() != 0 {
		t.Errorf("got owed %v, %d bytes, %d frames; want bytes alone", d.link.owing.ack.Load(), d.link.rx.taken.Load(), d.link.rx.frames.Load())
	}
}

// A frame for which the node has no memory is dropped, counted, and taken, and those
// that it has memory for still come. All is charged, and given back.
func TestPiecesAreChargedToTheBudget(t *testing.T) {
	d, memory, drops := newDriven(drivenStart), budget.New(200<<10), new(reason.Counters)
	d.link.Drops, d.link.account = drops, memory.Open()
	part := make([]byte, wire.MinPiece)
	part[0] = byte(wire.TypeData)
	for i := range 40 {
		if why := d.link.Handle(d, pieceMessage(i%4, false, part)); why != reason.None {
			t.Fatalf("got %v", why)
		}
	}
	if used := memory.Used(); used == 0 || used > memory.Most()/limits.BudgetPart {
		t.Errorf("got %d bytes charged, want some, and no more than the link's part", used)
	}
	for i := range 4 {
		d.link.Handle(d, pieceMessage(i, true, part))
	}
	if n := drops.Get(reason.MemoryLimit); n == 0 || int(n)+len(d.got) != 4 || d.link.rx.kept.Load() != uint64(n) {
		t.Errorf("got %d dropped, %d of them taken, and %d frames; want 4 in all", n, d.link.rx.kept.Load(), len(d.got))
	}
	if used := memory.Used(); d.link.parts != 0 || used > keptControl {
		t.Errorf("got %d bytes charged at the end, want those for an ack", used)
	}
	d.link.Handle(d, pieceMessage(1, false, part))
	d.link.Close(reason.Closed)
	if used := memory.Used(); used != 0 {
		t.Errorf("got %d bytes charged by a link that has ended, want none", used)
	}
}

// FuzzPieces feeds the joiner with pieces of all kinds: whatever comes, it holds no more
// than it may, and what it gives is a frame that may be on a link.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{0, 0, 0, 10, 1, 0, 0, 20, 0, 1, 0, 1})
	f.Add([]byte{3, 0, 0xFD, 0, 3, 0, 0xFD, 0, 3, 1, 0, 1})
	body := make([]byte, wire.MaxFrame)
	body[0] = byte(wire.TypeData)
	f.Fuzz(func(t *testing.T, ops []byte) {
		j, buf := new(joiner), make([]byte, limits.MaxRecord+1)
		for ; len(ops) >= 4; ops = ops[4:] {
			n := min(int(ops[2])<<8|int(ops[3]), wire.MaxFrame-wire.PieceHeaderLen)
			p, err := wire.ParsePiece(wire.AppendPiece(nil, &wire.Piece{Slot: ops[0], Last: ops[1]&1 != 0, Bytes: body[:n]}))
			if err != nil {
				return
			}
			whole, done, ok := j.add(&p, func(int) bool { return ops[1]&2 == 0 }, func() []byte { return buf })
			if !ok {
				return
			}
			if j.held > 256<<10 || j.held < 0 || j.bytes > limits.PieceBytes || j.bytes < 0 {
				t.Fatalf("holds %d bytes of memory for %d", j.held, j.bytes)
			}
			if (whole != nil) != (done != nil && !done.lost) {
				t.Fatalf("got a frame: %v, done %v", whole != nil, done)
			}
			if whole != nil {
				if frame, rest, err := wire.NextInBatch(whole); err != nil || len(rest) > 0 || wire.IsLink(frame) {
					t.Fatalf("got a batch of %d bytes: %v", len(whole), err)
				}
			}
		}
	})
}
