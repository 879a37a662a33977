package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// EchoOptions describe one ping-pong run: A sends, C returns the message, A
// sends the next when it is back.
type EchoOptions struct {
	Relays int
	// Size of each message in bytes, at least [MinSize].
	Size int
	// Warm and Run are the time before and during the measurement.
	Warm, Run time.Duration
}

// RTT is the result of a ping-pong run.
type RTT struct {
	Trips int     `json:"trips"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
}

// maxTrips bounds the memory of one run: 8 MiB of samples.
const maxTrips = 1 << 20

// echo is one running ping-pong. The next ping is sent by the handler at A, so
// that no goroutine of the harness lies in the way.
type echo struct {
	path      Path
	source    *source
	atA, atC  *checker
	start     time.Time
	trips     []time.Duration // written by the handler at A
	count     atomic.Uint64
	measuring atomic.Bool
	stop      atomic.Bool
	done      chan error
}

// Echo measures round-trip times.
func Echo(ctx context.Context, s System, o EchoOptions) (_ RTT, err error) {
	e := newEcho(o.Size)
	runtime.GC()
	e.path, err = open(ctx, s, Options{Relays: o.Relays, MaxSize: o.Size, AtA: e.pong, AtC: e.ping})
	if err != nil {
		return RTT{}, err
	}
	rtt, err := e.measure(ctx, o)
	if err = errors.Join(err, closePath(s, e.path)); err != nil {
		return rtt, fmt.Errorf("echo %s: %w", s.Name(), err)
	}
	return rtt, nil
}

func newEcho(size int) *echo {
	e := &echo{source: newSource(size), trips: make([]time.Duration, 0, maxTrips), done: make(chan error, 1)}
	e.atA, e.atC = newChecker(e.source), newChecker(e.source)
	return e
}

// ping is the handler at C.
func (e *echo) ping(msg []byte) {
	if e.atC.take(msg) {
		e.check(e.path.SendToA(msg))
	}
}

// pong is the handler at A.
func (e *echo) pong(msg []byte) {
	if !e.atA.take(msg) {
		return
	}
	if e.measuring.Load() && len(e.trips) < cap(e.trips) {
		e.trips = append(e.trips, time.Since(e.start))
	}
	e.count.Add(1)
	if e.stop.Load() {
		e.check(errDone)
		return
	}
	e.send()
}

var errDone = errors.New("done")

func (e *echo) send() {
	e.start = time.Now()
	e.check(e.path.SendToC(e.source.message()))
}

// check ends the run at the first error.
func (e *echo) check(err error) {
	if err == nil {
		return
	}
	select {
	case e.done <- err:
	default:
	}
}

func (e *echo) measure(ctx context.Context, o EchoOptions) (RTT, error) {
	e.send()
	err := e.pass(ctx, o.Warm)
	if err == nil {
		e.measuring.Store(true)
		err = e.pass(ctx, o.Run)
	}
	if err != nil {
		return RTT{}, err
	}
	e.stop.Store(true)
	if err := e.pass(ctx, closeLimit); !errors.Is(err, errDone) {
		return RTT{}, errors.Join(errors.New("last message did not come back"), err)
	}
	return summary(e.trips), nil
}

// pass lets d go by and returns early with what ended the run. A round trip
// lost on an idle path is an error.
func (e *echo) pass(ctx context.Context, d time.Duration) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	quiet := newQuiet(e.count.Load)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-e.done:
			return err
		case <-end.C:
			return nil
		case <-tick.C:
			if quiet.now() {
				return fmt.Errorf("no answer in %v", silence)
			}
		}
	}
}

func summary(trips []time.Duration) RTT {
	if len(trips) == 0 {
		return RTT{}
	}
	slices.Sort(trips)
	at := func(p int) float64 { return float64(trips[(len(trips)-1)*p/100].Nanoseconds()) / 1e3 }
	return RTT{Trips: len(trips), P50: at(50), P99: at(99)}
}
