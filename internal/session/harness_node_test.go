package session

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// testNode is one node of a world.
type testNode struct {
	w      *world
	id     *identity.Identity
	self   wire.ID
	static identity.Static
	born   time.Time
	boot   uint64
	t      *Table
	drops  *reason.Counters
	homes  []wire.ID
	psk    []byte

	deliver func(d *Delivery) reason.Reason // nil: accepted and noted in got
	got     []delivered
	quiet   bool // nothing is noted in got
	events  []Event
	armed   time.Time
	batch   Batch
	open    bool        // the batch awaits its end
	full    bool        // no link takes a frame
	link    *bottleneck // its only link; nil: the network of the world
	forge   func(cert []byte) []byte
	emitted map[uint8]int // Handshake frames by kind, Data frames as 0
}

// delivered is a copy of a Delivery.
type delivered struct {
	from wire.ID
	kind uint8
	port uint16
	id   uint64
	data string
	hops int
	copy uint64 // Delivery.Transmission
}

// start gives the node a new instance and an empty Table, as a restart does.
func (n *testNode) start(change func(*testNode, *Config)) {
	w := n.w
	var err error
	if n.static, err = identity.NewStatic(seeded(w.rand.Uint64())); err != nil {
		w.t.Fatal(err)
	}
	n.born = w.now
	n.boot++
	n.drops = new(reason.Counters)
	n.armed, n.batch, n.open = time.Time{}, Batch{}, false
	cfg := Config{
		Self: n.self, Rand: seeded(w.rand.Uint64()), Drops: n.drops, Capabilities: wire.CapDatagram,
		NetworkKey:  n.psk,
		Credentials: n.credentials,
		Homes:       func() []wire.ID { return n.homes },
		Emit:        n.emit,
		Deliver:     n.onDeliver,
		Arm:         n.arm,
		Notify:      func(e Event) { n.events = append(n.events, e) },
	}
	binary.BigEndian.PutUint64(cfg.Instance[:], w.rand.Uint64())
	if change != nil {
		change(n, &cfg)
	}
	if n.t, err = New(cfg); err != nil {
		w.t.Fatal(err)
	}
}

// restart loses everything but the key.
func (n *testNode) restart() { n.start(nil) }

// forget drops the entry of another node, as the table does when it is full.
func (n *testNode) forget(other *testNode) {
	var fx effects
	n.t.mu.Lock()
	if p := n.t.peers[other.self]; p != nil {
		n.t.remove(p, reason.SessionLimit, &fx)
	}
	n.t.mu.Unlock()
	fx.run(n.t)
}

func (n *testNode) credentials(now time.Time) (identity.Static, []byte) {
	c := n.id.Certify(n.static.Public, now)
	cert := wire.AppendCert(nil, &c)
	if n.forge != nil {
		cert = n.forge(cert)
	}
	return n.static, cert
}

func (n *testNode) onDeliver(d *Delivery) reason.Reason {
	if n.deliver != nil {
		if why := n.deliver(d); why != reason.None {
			return why
		}
	}
	if n.quiet {
		return reason.None
	}
	n.got = append(n.got, delivered{d.From, d.Kind, d.DstPort, d.MessageID, string(d.Data), d.Hops, d.Transmission})
	return reason.None
}

func (n *testNode) emit(frame []byte, c Choice) (wire.ID, bool) {
	if n.full {
		return wire.ID{}, false
	}
	if n.link != nil {
		n.count(frame)
		return n.link.emit(frame)
	}
	n.count(frame)
	if n.w.tap != nil {
		n.w.tap(n, frame)
	}
	hop := n.w.choose(c)
	if c.Via != (wire.ID{}) {
		hop = int(c.Via[1])
	}
	n.w.carry(n, bytes.Clone(frame), hop)
	return hopID(hop), true
}

func (n *testNode) count(frame []byte) {
	f, err := wire.ParseFrame(frame)
	if err != nil {
		n.w.t.Errorf("a frame of ours does not parse: %v", err)
		return
	}
	if f.Type == wire.TypeHandshake {
		n.emitted[f.Body[0]]++
		return
	}
	n.emitted[0]++
}

func (n *testNode) arm(at time.Time) {
	if !n.armed.IsZero() && !at.Before(n.armed) {
		return
	}
	n.armed = at
	boot := n.boot
	n.w.push(at, func() {
		if n.boot == boot && n.armed.Equal(at) {
			n.tick()
		}
	})
}

func (n *testNode) tick() {
	n.armed = time.Time{}
	n.jobs(n.t.Tick(n.w.now)...)
	if at, ok := n.t.Next(); ok {
		n.arm(at)
	}
}

func (n *testNode) jobs(jobs ...*Job) {
	for _, j := range jobs {
		if j != nil {
			j.Run()
			n.t.Finish(n.w.now, j)
		}
	}
}

// arrive takes a frame as the node's reader would.
func (n *testNode) arrive(frame []byte) reason.Reason {
	if n.w.tamper != nil && !n.w.tamper(n, frame) {
		return reason.None
	}
	wire.SetFrameHopLimit(frame, wire.FrameHopLimit(frame)-2)
	switch wire.FrameType(frame) {
	case wire.TypeHandshake:
		ingress := Ingress{Link: 1}
		if n.w.ingress != nil {
			ingress = n.w.ingress(*wire.FrameSrc(frame))
		}
		j, why := n.t.HandleHandshake(n.w.now, frame, ingress)
		n.jobs(j)
		return why
	case wire.TypeHint:
		f, err := wire.ParseFrame(frame)
		if err != nil {
			return reason.Malformed
		}
		h, err := wire.ParseHint(f.Body)
		if err != nil {
			return reason.Malformed
		}
		return n.t.HandleHint(n.w.now, h)
	}
	return n.data(frame)
}

func (n *testNode) data(frame []byte) reason.Reason {
	why := n.t.Receive(&n.batch, n.w.now, frame)
	if why == reason.UnknownSession && !n.w.noHints {
		n.hint(frame, reason.UnknownSession)
	}
	if !n.open {
		n.open = true
		boot := n.boot
		n.w.after(time.Millisecond, func() {
			if n.boot == boot {
				n.open = false
				n.t.EndBatch(&n.batch, n.w.now)
			}
		})
	}
	return why
}

// hinted takes a hint about a frame of the node's own.
func (n *testNode) hinted(frame []byte, why reason.Reason) reason.Reason {
	f, err := wire.ParseFrame(frame)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return n.t.HandleHint(n.w.now, wire.Hint{Reason: uint8(why), Type: f.Type, Dst: f.Dst, Echo: wire.Echo(f.Body)})
}

// hint tells the source of a frame what became of it.
func (n *testNode) hint(frame []byte, why reason.Reason) {
	f, err := wire.ParseFrame(frame)
	if err != nil {
		n.w.t.Fatal(err)
	}
	h := wire.Hint{Reason: uint8(why), Type: f.Type, Dst: f.Dst, Echo: wire.Echo(f.Body)}
	out := wire.Frame{Type: wire.TypeHint, HopLimit: 64, Dst: f.Src, Src: n.self, Body: wire.AppendHint(nil, &h)}
	n.w.carry(n, wire.AppendFrame(nil, &out), 0)
}

// outcome is what became of one Send.
type outcome struct {
	data  string
	calls int
	Result
	at time.Time
	p  *Pending
}

// send sends a message and returns where its result will be.
func (n *testNode) send(to *testNode, data string) *outcome {
	return n.sendMessage(Message{To: to.self, Kind: wire.PlainMessage, DstPort: 7, Data: []byte(data)})
}

func (n *testNode) request(to *testNode, data string) *outcome {
	return n.sendMessage(Message{To: to.self, Kind: wire.PlainRequest, DstPort: 7, Data: []byte(data)})
}

func (n *testNode) sendMessage(m Message) *outcome {
	n.w.t.Helper()
	o := &outcome{data: string(m.Data)}
	p, err := n.t.Send(n.w.now, m, func(r Result) {
		o.calls++
		o.Result, o.at = r, n.w.now
		if o.calls > 1 {
			n.w.t.Errorf("message %q ended %d times", o.data, o.calls)
		}
	})
	if err != nil {
		n.w.t.Fatalf("send: %v", err)
	}
	o.p = p
	return o
}

// datagram sends a datagram in the way that a port does.
func (n *testNode) datagram(to *testNode, data string) error {
	frame, ok := n.t.AppendDatagram(nil, n.w.now, to.self, 7, 8, wire.ClassBulk, []byte(data))
	if !ok {
		return n.t.Datagram(n.w.now, to.self, 7, 8, wire.ClassBulk, []byte(data))
	}
	n.emit(frame, Choice{Via: n.t.Via(n.w.now, &to.self)})
	return nil
}

// widen makes the windows toward another node as large as they can be.
func (n *testNode) widen(other *testNode) {
	for _, f := range n.peerOf(other).out.paths {
		f.control.window, f.control.slowStart = windowMost, false
	}
}

// peerOf returns the entry that n has for another node.
func (n *testNode) peerOf(other *testNode) *peer {
	n.w.t.Helper()
	p := n.t.find(&other.self)
	if p == nil {
		n.w.t.Fatal("no entry for the peer")
	}
	return p
}

// want fails the test when the outcome is not the one wanted.
func (o *outcome) want(t testing.TB, err error, what Outcome) {
	t.Helper()
	if o.calls != 1 {
		t.Errorf("message %q: ended %d times, want once", o.data, o.calls)
		return
	}
	if o.Err != err || o.Outcome != what {
		t.Errorf("message %q: got %v, %v, want %v, %v", o.data, o.Err, o.Outcome, err, what)
	}
}

// once checks that the node was delivered each of the texts exactly once, and nothing else.
func (n *testNode) once(texts ...string) {
	n.w.t.Helper()
	count := map[string]int{}
	for _, d := range n.got {
		count[d.data]++
	}
	for _, s := range texts {
		if count[s] != 1 {
			n.w.t.Errorf("delivered %q: got %d times, want once", s, count[s])
		}
		delete(count, s)
	}
	for s, c := range count {
		n.w.t.Errorf("delivered %q: got %d times, want never", s, c)
	}
}

func text(i int) string { return fmt.Sprintf("message %d", i) }

// choose returns the first hop of a choice.
func (w *world) choose(c Choice) int {
	k := c.K % w.hops
	for _, past := range []bool{false, true} {
		for hop := range w.hops {
			if slices.Contains(c.Past, hopID(hop)) != past {
				continue
			}
			if k == 0 {
				return hop
			}
			k--
		}
	}
	return 0
}
