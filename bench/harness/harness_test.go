package harness

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// direct is a system that calls the other end's handler. do may spoil messages.
type direct struct {
	do func(n int, msg []byte, deliver Handler) error
}

func (direct) Name() string { return "direct" }

func (d direct) Open(o Options) (Path, error) { return &directPath{d, o, 0}, nil }

type directPath struct {
	d direct
	o Options
	n int
}

func (p *directPath) SendToA(msg []byte) error { p.o.AtA(msg); return nil }
func (p *directPath) Close() error             { return nil }

func (p *directPath) SendToC(msg []byte) error {
	if len(msg) == probeLen {
		p.o.AtC(msg)
		return nil
	}
	p.n++
	return p.d.do(p.n, msg, p.o.AtC)
}

var errBroken = errors.New("broken")

func TestFloodCounts(t *testing.T) {
	cases := []struct {
		name      string
		do        func(n int, msg []byte, deliver Handler) error
		delivered uint64
		fails     bool
	}{
		{"all arrive", func(_ int, msg []byte, to Handler) error { to(msg); return nil }, 100, false},
		{"each tenth is lost", func(n int, msg []byte, to Handler) error {
			if n%10 != 0 {
				to(msg)
			}
			return nil
		}, 90, false},
		{"each tenth is refused", func(n int, msg []byte, to Handler) error {
			if n%10 == 0 {
				return ErrDropped
			}
			to(msg)
			return nil
		}, 90, false},
		{"one comes twice", func(n int, msg []byte, to Handler) error {
			to(msg)
			if n == 50 {
				to(msg)
			}
			return nil
		}, 100, true},
		{"one is cut", func(n int, msg []byte, to Handler) error {
			if n == 50 {
				msg = msg[1:]
			}
			to(msg)
			return nil
		}, 99, true},
		{"one is torn", func(n int, msg []byte, to Handler) error {
			if n == 50 {
				msg[len(msg)-1]++
			}
			to(msg)
			return nil
		}, 99, true},
		{"a sampled body is changed", func(n int, msg []byte, to Handler) error {
			if n == sampleEvery+1 {
				msg[20]++
				defer func() { msg[20]-- }()
			}
			to(msg)
			return nil
		}, 99, true},
		{"the path breaks", func(n int, msg []byte, to Handler) error {
			if n == 50 {
				return errBroken
			}
			to(msg)
			return nil
		}, 49, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, window := range []int{0, 4} {
				synctest.Test(t, func(t *testing.T) {
					r, err := Flood(t.Context(), direct{c.do}, FloodOptions{Relays: 1, Size: 64, Window: window, Messages: 100})
					if (err != nil) != c.fails || r.Delivered != c.delivered {
						t.Errorf("window %d: got %d delivered and error %v, want %d and failure %v", window, r.Delivered, err, c.delivered, c.fails)
					}
				})
			}
		})
	}
}

func TestFloodMeasuresTime(t *testing.T) {
	all := direct{func(_ int, msg []byte, to Handler) error { to(msg); return nil }}
	r, err := Flood(t.Context(), all, FloodOptions{Relays: 1, Size: 64, Warm: time.Millisecond, Run: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.PerSecond <= 0 || r.CPU <= 0 || r.Loss != 0 {
		t.Errorf("got %+v, want a rate, CPU time and no loss", r)
	}
}

func TestCheckerOrder(t *testing.T) {
	cases := []struct {
		name      string
		seqs      []uint64
		delivered uint64
		faults    Faults
	}{
		{"in order", []uint64{0, 1, 2, 3}, 4, Faults{}},
		{"gap", []uint64{0, 5, 6}, 3, Faults{}},
		{"late", []uint64{0, 2, 1, 3}, 4, Faults{Late: 1}},
		{"twice", []uint64{0, 1, 1}, 2, Faults{Duplicate: 1}},
		{"late twice", []uint64{0, 2, 1, 1}, 3, Faults{Late: 1, Duplicate: 1}},
		{"late over a gap of words", []uint64{0, 1000, 100, 100, 0}, 3, Faults{Late: 1, Duplicate: 2}},
		{"window goes round", []uint64{5, 5 + windowBits, 6 + windowBits, 5 + windowBits}, 3, Faults{Duplicate: 1}},
		{"older than the window", []uint64{0, 2 * windowBits, 1}, 2, Faults{Duplicate: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSource(64)
			check := newChecker(s)
			for _, seq := range c.seqs {
				s.next = seq
				check.take(s.message())
			}
			if got := check.faults(); got != c.faults || check.delivered.Load() != c.delivered {
				t.Errorf("got %d delivered, %+v, want %d, %+v", check.delivered.Load(), got, c.delivered, c.faults)
			}
		})
	}
}

func TestMedians(t *testing.T) {
	cases := []struct {
		name              string
		a, b              []float64
		ratio, difference float64
	}{
		{"odd", []float64{2, 4, 12}, []float64{1, 4, 3}, 2, 1},
		{"even", []float64{2, 4}, []float64{1, 1}, 3, 2},
		{"failed rounds are left out", []float64{0, 4, 5}, []float64{1, 2, 0}, 2, 2},
		{"unequal length", []float64{2, 4, 6}, []float64{2}, 1, 0},
		{"nothing", nil, []float64{1}, math.NaN(), math.NaN()},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ratio, difference := MedianRatio(c.a, c.b), MedianDifference(c.a, c.b)
			if !same(ratio, c.ratio) || !same(difference, c.difference) {
				t.Errorf("got ratio %v, difference %v, want %v, %v", ratio, difference, c.ratio, c.difference)
			}
		})
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
