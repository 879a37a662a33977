package harness

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// silence is how long nothing may arrive before messages under way are
	// taken for lost: far above a scheduler pause on a busy machine.
	silence = 300 * time.Millisecond
	// look is how often a run looks for silence.
	look = 20 * time.Millisecond
)

// FloodOptions describe one throughput run from A to C.
type FloodOptions struct {
	Relays int
	// Size of each message in bytes, at least [MinSize].
	Size int
	// Window is the most messages under way. Zero: only the system's own flow
	// control holds the sender back.
	Window int
	// Warm and Run are the time before and during the measurement.
	Warm, Run time.Duration
	// Messages, if not zero, ends the sending after that many messages,
	// whatever Warm and Run are.
	Messages uint64
	// Via is handed to the system, see [Options].
	Via func(addr string) (string, error)
}

// Rate is the result of one throughput run. Only delivered messages count.
type Rate struct {
	Sent      uint64  `json:"sent"`
	Delivered uint64  `json:"delivered"`
	Loss      float64 `json:"loss"`           // share of the sent messages, 0 to 1
	PerSecond float64 `json:"msgs_per_s"`     // delivered in the measured time
	CPU       float64 `json:"cpu_us_per_msg"` // of all roles together
	Allocs    float64 `json:"allocs_per_msg"` // likewise
	Faults    Faults  `json:"faults"`
}

// flood is one running throughput measurement.
type flood struct {
	opts    FloodOptions
	source  *source
	checker *checker
	credit  *credit // nil: no window
	path    Path
	sent    atomic.Uint64
	dropped atomic.Uint64
	stop    atomic.Bool
	done    chan error
}

// Flood sends from A to C as fast as window and system allow.
func Flood(ctx context.Context, s System, o FloodOptions) (_ Rate, err error) {
	f := newFlood(o)
	runtime.GC() // what the run before left is not this one's work
	f.path, err = open(ctx, s, Options{
		Relays: o.Relays, MaxSize: o.Size, Via: o.Via, AtA: func([]byte) {}, AtC: f.arrived,
	})
	if err != nil {
		return Rate{}, err
	}
	rate, err := f.measure(ctx)
	if closeErr := closePath(s, f.path); err == nil {
		err = closeErr
	}
	if err != nil {
		return rate, fmt.Errorf("flood %s: %w", s.Name(), err)
	}
	return rate, nil
}

func newFlood(o FloodOptions) *flood {
	f := &flood{opts: o, source: newSource(o.Size), done: make(chan error, 1)}
	f.checker = newChecker(f.source)
	if o.Window > 0 {
		f.credit = newCredit(o.Window)
	}
	return f
}

func (f *flood) arrived(msg []byte) {
	if f.checker.take(msg) && f.credit != nil {
		f.credit.give(1)
	}
}

func (f *flood) measure(ctx context.Context) (Rate, error) {
	begin := f.usage() // before a sender that may be done at once
	go func() { f.done <- f.send() }()
	from, to, err := f.watch(ctx, begin)
	err = errors.Join(err, f.finish())
	rate := f.rate(from, to)
	return rate, errors.Join(err, rate.wrong())
}

// wrong tells why a rate must not count.
func (r Rate) wrong() error {
	switch n := r.Faults; {
	case n.Corrupt+n.Duplicate > 0:
		return fmt.Errorf("%d corrupt and %d duplicate messages", n.Corrupt, n.Duplicate)
	case r.PerSecond == 0:
		return errors.New("nothing arrived while it was measured")
	}
	return nil
}

// send is the sender's goroutine.
func (f *flood) send() error {
	for sent := uint64(0); !f.stop.Load() && (f.opts.Messages == 0 || sent < f.opts.Messages); sent++ {
		if f.credit != nil {
			f.credit.take(sent)
		}
		if err := f.path.SendToC(f.source.message()); errors.Is(err, ErrDropped) {
			f.dropped.Add(1)
			if f.credit != nil {
				f.credit.give(1)
			}
		} else if err != nil {
			return err
		}
		f.sent.Add(1)
	}
	return nil
}

// watch lets the run warm up and takes the two readings. A run of so many messages is
// measured from its beginning.
func (f *flood) watch(ctx context.Context, begin usage) (from, to usage, err error) {
	if f.opts.Messages > 0 {
		err = errors.Join(f.waitSender(ctx), f.settle(ctx))
		return begin, f.usage(), err
	}
	if err = f.pass(ctx, f.opts.Warm); err == nil {
		from = f.usage()
		err = f.pass(ctx, f.opts.Run)
	}
	return from, f.usage(), err
}

func (f *flood) usage() usage { return usageNow(f.checker.delivered.Load()) }

// pass lets the time d go by while the sender works.
func (f *flood) pass(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := f.waitSender(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return errors.Join(errors.New("sender ended early"), err)
}

// waitSender returns when the sender has ended or ctx has. Meanwhile it writes
// off the credits of messages that were lost.
func (f *flood) waitSender(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	quiet := newQuiet(f.checker.delivered.Load)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.done:
			f.done <- err
			return err
		case <-tick.C:
			if f.credit != nil && quiet.now() {
				f.credit.give(f.sent.Load() - f.credit.back.Load())
			}
		}
	}
}

// settle returns when all that was sent has arrived, or nothing arrives any more.
func (f *flood) settle(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	quiet := newQuiet(f.checker.delivered.Load)
	for f.checker.delivered.Load()+f.dropped.Load() < f.sent.Load() && !quiet.now() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// finish stops the sender and lets what is under way arrive.
func (f *flood) finish() error {
	f.stop.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if f.credit != nil {
		f.credit.give(1) // a sender that waits for credit then sees stop
	}
	return errors.Join(f.waitSender(ctx), f.settle(ctx))
}

func (f *flood) rate(from, to usage) Rate {
	r := Rate{Sent: f.sent.Load(), Delivered: f.checker.delivered.Load(), Faults: f.checker.faults()}
	if r.Sent > 0 {
		r.Loss = 1 - float64(r.Delivered)/float64(r.Sent)
	}
	n := float64(to.delivered - from.delivered)
	if n == 0 {
		return r
	}
	r.PerSecond = n / to.at.Sub(from.at).Seconds()
	r.CPU = float64((to.cpu - from.cpu).Nanoseconds()) / 1e3 / n
	r.Allocs = float64(to.mallocs-from.mallocs) / n
	return r
}

// quiet tells when a counter has stood still for [silence].
type quiet struct {
	count func() uint64
	last  uint64
	since time.Time
}

func newQuiet(count func() uint64) *quiet {
	return &quiet{count: count, last: count(), since: time.Now()}
}

func (q *quiet) now() bool {
	if n := q.count(); n != q.last {
		q.last, q.since = n, time.Now()
	}
	return time.Since(q.since) > silence
}
