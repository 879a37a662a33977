package node

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// telling is a carrier that can tell when it is about to wait.
type telling struct {
	link.Carrier
	call func()
}

func (c *telling) BeforeWait(f func()) bool {
	c.call = f
	return true
}

func (c *telling) Receive(buf func() []byte) ([]byte, error) {
	if f := c.call; f != nil {
		c.call = nil
		f()
	}
	return c.Carrier.Receive(buf)
}

// repeating hands its walker each batch of datagrams over and over, as if all of
// them had arrived at once.
type repeating struct {
	w             *walker
	frames, bytes int // the most that waited to be sent on
}

// HandleBatch implements [link.Handler].
func (r *repeating) HandleBatch(l *link.Link, batch []byte) reason.Reason {
	frame, _, err := wire.NextInBatch(batch)
	if err != nil || !isBulk(frame) {
		return r.w.HandleBatch(l, batch)
	}
	waiting := 0
	for range 2 * limits.ReadAheadFrames {
		if why := r.w.HandleBatch(l, bytes.Clone(batch)); why != reason.None {
			return why
		}
		if waiting++; len(r.w.touched) == 0 {
			waiting = 0
		}
		r.frames, r.bytes = max(r.frames, waiting), max(r.bytes, waiting*len(batch))
	}
	return reason.None
}

// A relay sends on together what has arrived together, as far as
// limits.ReadAhead and limits.ReadAheadFrames go, and the last of it before it
// waits.
func TestRelaySendsOnWhatArrivedTogether(t *testing.T) {
	for _, size := range []int{20, 2000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sendTogether(t, size) })
		})
	}
}

func sendTogether(t *testing.T, size int) {
	m := &mesh{t: t}
	b := m.listen("b", Config{})
	var links []*repeating
	b.between = func(w *walker) link.Handler {
		w.link.Carrier = &telling{Carrier: w.link.Carrier}
		r := &repeating{w: w}
		links = append(links, r)
		return r
	}
	cfg := Config{Leaf: true, Bootstrap: []string{"mem://b"}}
	a := m.start("a", cfg)
	ready(t, a)
	c := m.start("c", cfg)
	ready(t, c)
	box := newInbox()
	c.Handle(box)
	for range 10 {
		if err := a.SendDatagram(c.ID(), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	box.wait(t, 10)
	frames, bytes := links[0].frames, links[0].bytes
	if frames >= limits.ReadAheadFrames || bytes >= limits.ReadAhead {
		t.Errorf("waited for more: %d frames, %d bytes, want less than %d and %d", frames, bytes, limits.ReadAheadFrames, limits.ReadAhead)
	}
	if frames < limits.ReadAheadFrames-1 && bytes < limits.ReadAhead-2*size {
		t.Errorf("waited for more: %d frames, %d bytes, want nearly %d or %d", frames, bytes, limits.ReadAheadFrames, limits.ReadAhead)
	}
	for _, r := range links {
		if len(r.w.touched)+len(r.w.fed) > 0 {
			t.Error("not sent on, though nothing more arrives")
		}
	}
}
