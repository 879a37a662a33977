package link

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// tray is a carrier that keeps what it is sent.
type tray struct {
	Carrier
	sent   [][]byte
	err    error
	closed bool
}

func (c *tray) Max() int     { return 65_535 }
func (c *tray) Close() error { c.closed = true; return nil }
func (c *tray) Send(b []byte) error {
	c.sent = append(c.sent, bytes.Clone(b))
	return c.err
}

type drivenEnd struct {
	tray  tray
	link  *Link
	wakes int
	got   [][]byte
}

func newDriven(now time.Time) *drivenEnd {
	d := &drivenEnd{}
	d.link = New(Config{Number: 1, Carrier: &d.tray, Wake: func() { d.wakes++ }, Clock: func() time.Time { return now }}, now)
	return d
}

func (d *drivenEnd) HandleBatch(_ *Link, batch []byte) reason.Reason {
	if len(batch) == 0 {
		return reason.ProtocolError
	}
	d.got = append(d.got, bytes.Clone(batch))
	return reason.None
}

var drivenStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPumpWritesWhatGathered(t *testing.T) {
	d := newDriven(drivenStart)
	frame := testFrame(wire.ClassInteractive, 60, 'a')
	d.link.AppendFrame(Self, wire.ClassInteractive, frame)
	if len(d.tray.sent) > 0 || d.wakes > 0 {
		t.Fatalf("before Pump: got %d records and %d wakes, want none", len(d.tray.sent), d.wakes)
	}
	d.link.Pump(drivenStart.Add(time.Second))
	want := wire.AppendToBatch(nil, frame)
	if len(d.tray.sent) != 1 || !bytes.Equal(d.tray.sent[0], want) {
		t.Fatalf("got %d records %x, want one: %x", len(d.tray.sent), d.tray.sent, want)
	}
	if d.link.queue.inlets != nil {
		t.Error("got inlets on an idle link, want none")
	}
	if at, ok := d.link.ring.ack(1); !ok || !at.Equal(drivenStart.Add(time.Second)) {
		t.Errorf("kept until acked: got %v, %v, want the time of Pump", at, ok)
	}
}

func TestDrivenLinkWakesForLinkFrames(t *testing.T) {
	d := newDriven(drivenStart)
	d.link.Ping(drivenStart, [8]byte{1})
	if d.wakes != 1 {
		t.Errorf("got %d wakes for a ping, want 1", d.wakes)
	}
	d.link.Pump(drivenStart)
	if len(d.tray.sent) != 1 {
		t.Errorf("got %d records, want the ping", len(d.tray.sent))
	}
}

func TestPumpEndsAFinishedLink(t *testing.T) {
	d := newDriven(drivenStart)
	d.link.Finish([]byte{byte(wire.LinkBye)}, reason.Leaving)
	if d.wakes == 0 || d.tray.closed {
		t.Fatalf("after Finish: got %d wakes, closed %v, want a wake of an open link", d.wakes, d.tray.closed)
	}
	d.link.Pump(drivenStart)
	if len(d.tray.sent) != 1 || !d.tray.closed || d.link.Cause() != reason.Leaving {
		t.Errorf("got %d records, closed %v, cause %v, want the bye and then the end", len(d.tray.sent), d.tray.closed, d.link.Cause())
	}
}

func TestPumpEndsALinkWhoseCarrierFails(t *testing.T) {
	d := newDriven(drivenStart)
	d.tray.err = errors.New("broken")
	d.link.AppendFrame(Self, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 'a'))
	d.link.Pump(drivenStart)
	if got := d.link.Cause(); got != reason.CarrierFailed {
		t.Errorf("got cause %v, want carrier-failed", got)
	}
}

func TestHandleGivesTheBatch(t *testing.T) {
	d := newDriven(drivenStart)
	if got := d.link.Handle(d, []byte{1, 2, 3}); got != reason.None || len(d.got) != 1 {
		t.Errorf("got %v and %d batches, want none and 1", got, len(d.got))
	}
	if got := d.link.Handle(d, nil); got != reason.ProtocolError {
		t.Errorf("got %v, want what the handler said", got)
	}
	if got := d.link.Stats().RxBytes; got != 3 {
		t.Errorf("got %d bytes received, want 3", got)
	}
}
