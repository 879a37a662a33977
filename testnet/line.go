package testnet

import (
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/line"
)

// Line describes one direction of a line between nodes. The zero value is none:
// what is sent is not held up. On a Line links behave as TCP does there: what is
// lost arrives later, and a full buffer slows the sender down.
type Line struct {
	Rate    int64         // bytes/s; 0: no bound
	Rates   []RateFor     // by turns, over and over, in the place of Rate
	Delay   time.Duration // one way; of a simulation, in the place of the latency of the two nodes
	Jitter  time.Duration // the most that a packet takes longer, at random; the order stays
	Buffer  int           // packets that may wait before the line; 0: no bound
	Bytes   int           // bytes that may wait, the same
	Loss    float64       // share of the packets that get lost, 0 to 1
	Reorder float64       // share of the packets that take Lag longer and are overtaken, 0 to 1
	Lag     time.Duration
}

// RateFor is a rate for a time.
type RateFor struct {
	Time time.Duration
	Rate int64 // bytes/s; 0: nothing is sent
}

// LineStats count what became of the packets of a line.
type LineStats struct {
	Sent    uint64 // bytes, headers and copies included
	Packets uint64 // the same in packets
	Full    uint64 // packets that found no room
	Lost    uint64 // packets that were sent and got lost
}

// some says whether there is a line at all.
func (l *Line) some() bool {
	return l.Rate != 0 || len(l.Rates) > 0 || l.Delay != 0 || l.Jitter != 0 || l.Loss != 0 || l.Reorder != 0
}

func (l *Line) config() line.Config {
	cfg := line.Config{
		Rate: l.Rate, Delay: l.Delay, Jitter: l.Jitter, Packets: l.Buffer, Bytes: l.Bytes,
		Loss: l.Loss, Reorder: l.Reorder, Lag: l.Lag,
	}
	for _, r := range l.Rates {
		cfg.Steps = append(cfg.Steps, line.Step{For: r.Time, Rate: r.Rate})
	}
	return cfg
}

// check tells all mistakes of a line.
func (l *Line) check() error {
	cfg := l.config()
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("options: Line: %w", err)
	}
	if cfg.Loss == 1 {
		return fmt.Errorf("options: Line: loss is 1: give less, or nothing arrives")
	}
	return nil
}

func lineStats(s line.Stats) LineStats {
	return LineStats{Sent: s.Sent, Packets: s.Packets, Full: s.Full, Lost: s.Lost}
}
