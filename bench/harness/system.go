package harness

import "errors"

// ErrDropped is returned by the Send methods of a [Path] whose system refuses a
// message for want of room and does not wait. The message counts as lost and
// the run goes on; every other error ends it.
var ErrDropped = errors.New("message dropped by its sender")

// Handler takes one delivered message. The bytes are valid until it returns.
// A path calls the handler of one end from one goroutine at a time, and the
// handler may send on the path.
type Handler func(msg []byte)

// Options say what path a measurement wants.
type Options struct {
	// Relays is the number of relays between A and C: 1 or 2.
	Relays int
	// MaxSize is the longest message that will be sent, in bytes.
	MaxSize int
	// AtA and AtC take what is delivered at the two ends. Both are set.
	AtA, AtC Handler
	// Via replaces the host:port of the first relay, as A dials it, by that of
	// a byte counter. Nil: A dials the relay itself.
	Via func(addr string) (string, error)
}

// Dial returns the address that A has to dial to reach the relay at addr.
func (o *Options) Dial(addr string) (string, error) {
	if o.Via == nil {
		return addr, nil
	}
	return o.Via(addr)
}

// Path is an open way from A over the relays to C and back. Each Send method is
// called by one goroutine at a time, copies or sends msg before it returns, and
// blocks as the system's own flow control makes it.
type Path interface {
	SendToC(msg []byte) error
	SendToA(msg []byte) error
	// Close ends the path, wakes blocked sends and waits for the goroutines.
	Close() error
}

// System is one thing to measure.
type System interface {
	// Name is the word for it on the command line and in the tables.
	Name() string
	// Open starts ends and relays. The path need not carry messages at once:
	// the harness probes it until it does.
	Open(o Options) (Path, error)
}

// Idler is a System that can also hold many idle links.
type Idler interface {
	System
	// Idle starts all that is not a link (servers, nodes) for the given number
	// of links.
	Idle(links int) (IdleLinks, error)
}

// IdleLinks are the links of an idle-memory measurement.
type IdleLinks interface {
	// Connect brings the links up, has each carry one small message each way,
	// and returns how many link ends live in this process.
	Connect() (ends int, err error)
	Close() error
}

// Bounds are what a system cannot do; the zero value means that it can do all.
type Bounds struct {
	// Relays is the most relays between A and C, 0 for no bound.
	Relays int
	// Drops says that a flood that nobody paces loses messages by design.
	Drops bool
	// Slow says that a path takes seconds to open and may never do so: it is
	// then opened anew.
	Slow bool
}

// Bounded is a System with bounds.
type Bounded interface {
	System
	Bounds() Bounds
}

// BoundsOf returns what s cannot do.
func BoundsOf(s System) Bounds {
	if b, ok := s.(Bounded); ok {
		return b.Bounds()
	}
	return Bounds{}
}

// Spans says whether a path of s can have so many relays.
func (b Bounds) Spans(relays int) bool { return b.Relays == 0 || relays <= b.Relays }
