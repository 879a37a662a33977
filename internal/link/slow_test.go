package link

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport/mem"
)

// paced is a carrier whose flushes take their time.
type paced struct {
	*mem.Conn
	took time.Duration
	told []bool
}

func (p *paced) Flush() error {
	time.Sleep(p.took)
	return p.Conn.Flush()
}

func (p *paced) Slow(slow bool) { p.told = append(p.told, slow) }

// The carrier is told when the link turns out slow, and when it no longer is;
// small flushes say nothing.
func TestCarrierIsToldThatItIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair()
		carrier := &paced{Conn: a.conn}
		a.Link = New(Config{Number: 1, Carrier: carrier}, time.Now())
		a.run()
		b.run()
		flush := func(bytes int, took time.Duration) {
			carrier.took = took
			a.give(Self, wire.ClassBulk, numbered(wire.ClassBulk, bytes, 0), 1)
			a.Rouse()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		const enough = limits.SlowBatch / 2
		slow := time.Second * enough / limits.SlowRate * 2
		flush(enough, slow)
		flush(enough, slow)
		flush(100, 0)
		flush(enough, 0)
		flush(100, slow)
		if want := []bool{true, false}; !slices.Equal(carrier.told, want) {
			t.Errorf("told: got %v, want %v", carrier.told, want)
		}
		a.stop()
		b.stop()
	})
}
