package trials

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if RelayChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestLight(t *testing.T) {
	l, err := MeasureLight(t.Context(), 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if l.Delivered < 0.9 || l.P50 <= 0 || l.P99 < l.P50 || l.Flood == 0 || l.Flood > 1.1*linkRate {
		t.Errorf("got %+v, want most delivered beside a flood below %d bytes/s", l, linkRate)
	}
}

func TestLoss(t *testing.T) {
	l, err := MeasureLoss(t.Context(), 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if l.Sent == 0 || l.Failed+l.Lost > 0 {
		t.Errorf("got %+v, want no acknowledged message lost", l)
	}
	if l.Unaccounted != 0 || l.Drops == 0 {
		t.Errorf("got %+v, want drops, and every one counted", l)
	}
	if l.Small.Unaccounted != 0 || l.Small.Frames == 0 {
		t.Errorf("got %+v, want frames dropped, and the small datagrams missing that they held", l.Small)
	}
}

func TestSmallLossAccounts(t *testing.T) {
	for _, row := range []struct{ missing, frames, want uint64 }{
		{0, 0, 0}, {1, 1, 0}, {mostInFrame, 1, 0}, {mostInFrame + 1, 1, 1}, {1, 0, 1}, {1, 3, 2},
	} {
		s := SmallLoss{Datagrams: 1000, Delivered: 900 - row.missing, AtEnds: 100, Frames: row.frames}
		if s.account(); s.Unaccounted != row.want {
			t.Errorf("%d missing, %d frames dropped: got %d unaccounted, want %d", row.missing, row.frames, s.Unaccounted, row.want)
		}
	}
}

func TestRelayMemory(t *testing.T) {
	r, err := MeasureRelay(t.Context(), 8)
	if err != nil {
		t.Fatal(err)
	}
	if r.Links != 8 || r.Linked <= 0 || r.Empty <= 0 {
		t.Errorf("got %+v, want 8 links and resident memory", r)
	}
}

func TestQUIC(t *testing.T) {
	q, err := MeasureQUIC(t.Context(), 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if q.Mesh <= 0 || q.UDP <= 0 {
		t.Errorf("got %+v, want both rates", q)
	}
	t.Logf("%+v", q)
}
