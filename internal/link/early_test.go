package link

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
	"github.com/peermesh/peermesh/transport/ws"
)

// carriers make both ends of each carrier; early_webrtc_test.go adds one.
var carriers = map[string]func(t *testing.T) (dialled, accepted transport.Conn){
	"mem": func(*testing.T) (dialled, accepted transport.Conn) { return mem.Pipe() },
	"ws":  func(t *testing.T) (dialled, accepted transport.Conn) { return webSockets(t, false) },
	"wss": func(t *testing.T) (dialled, accepted transport.Conn) { return webSockets(t, true) },
}

func webSockets(t *testing.T, secure bool) (dialled, accepted transport.Conn) {
	t.Helper()
	conns := make(chan transport.Conn, 1)
	srv := httptest.NewUnstartedServer(&ws.Handler{Accept: func(c transport.Conn) { conns <- c }})
	t.Cleanup(srv.Close)
	var cfg *tls.Config
	if secure {
		srv.StartTLS()
		cfg = srv.Client().Transport.(*http.Transport).TLSClientConfig
	} else {
		srv.Start()
	}
	u, err := url.Parse(strings.Replace(srv.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	dialled, err = (&ws.Dialer{TLSConfig: cfg}).Dial(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	return dialled, <-conns
}

// full is a carrier whose socket is full whenever somebody must not wait for it.
type full struct {
	transport.Conn
	gathered bool // by the sender's goroutine alone
}

func (c *full) Send(msg []byte) error {
	c.gathered = true
	return c.Conn.Send(msg)
}

func (c *full) TryFlush() (bool, error) { return !c.gathered, nil }

func (c *full) Flush() error {
	c.gathered = false
	return c.Conn.Flush()
}

// joined are two links over one carrier, after the handshake that it has.
func joined(t *testing.T, a, b transport.Conn) (dialled, accepted *Link) {
	t.Helper()
	x, y := newLocal(t, nil), newLocal(t, nil)
	session := wire.Session{1}
	done := make(chan handshakeEnd, 1)
	go func() {
		var e handshakeEnd
		if b.Binding() == nil {
			e.remote, e.err = Accept(b, y, time.Now())
		} else {
			e.remote, e.err = Meet(b, y, x.ID, session, false, 0, time.Now())
		}
		done <- e
	}()
	var d handshakeEnd
	if a.Binding() == nil {
		d.remote, d.err = Dial(a, x, y.ID, 1, time.Now())
	} else {
		d.remote, d.err = Meet(a, x, y.ID, session, true, 1, time.Now())
	}
	e := <-done
	if d.err != nil || e.err != nil {
		t.Fatal(d.err, e.err)
	}
	mk := func(c transport.Conn, r *Remote, outbound bool) *Link {
		return New(Config{Number: 1, Peer: r.ID, Outbound: outbound, Carrier: c, Send: r.Send, Recv: r.Recv}, time.Now())
	}
	return mk(a, d.remote, true), mk(b, e.remote, false)
}

// listener tells of each frame that comes.
type listener chan []byte

func (c listener) HandleBatch(_ *Link, batch []byte) reason.Reason {
	for len(batch) > 0 {
		frame, rest, err := wire.NextInBatch(batch)
		if err != nil {
			return reason.ProtocolError
		}
		c <- append([]byte(nil), frame...)
		batch = rest
	}
	return reason.None
}

// hears waits for a frame that begins so.
func (c listener) hears(t *testing.T, begin ...byte) {
	t.Helper()
	late := time.After(15 * time.Second)
	for {
		select {
		case frame := <-c:
			if strings.HasPrefix(string(frame), string(begin)) {
				return
			}
		case <-late:
			t.Fatalf("a frame that begins with %x: it has not come", begin)
		}
	}
}

// earlyFrames are what an end may write before it runs or right after the
// handshake, and how the frame begins.
var earlyFrames = map[string]struct {
	write func(l *Link)
	begin []byte
}{
	"ping": {func(l *Link) { l.Ping(time.Now(), [8]byte{1}) }, []byte{byte(wire.LinkPing)}},
	"pong": {func(l *Link) { l.OnPing([8]byte{1}) }, []byte{byte(wire.LinkPong)}},
	"ack":  {func(l *Link) { tookMuch(l) }, []byte{byte(wire.LinkAck)}},
	"record": {func(l *Link) {
		l.AppendControl(wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 1, Record: make([]byte, 300)}))
	}, []byte{byte(wire.LinkRecord)}},
	"peers":     {func(l *Link) { l.AppendControl(wire.AppendPeers(nil, &wire.Peers{})) }, []byte{byte(wire.LinkPeers)}},
	"find-node": {func(l *Link) { l.AppendControl(wire.AppendFindNode(nil, &wire.FindNode{Count: 8})) }, []byte{byte(wire.LinkFindNode)}},
	"nodes":     {func(l *Link) { l.AppendControl(wire.AppendNodes(nil, &wire.Nodes{})) }, []byte{byte(wire.LinkNodes)}},
	"held":      {func(l *Link) { l.AppendControl(wire.AppendHeld(nil, wire.Held{Sequence: 7})) }, []byte{byte(wire.LinkHeld)}},
	"bye": {func(l *Link) {
		l.Finish(wire.AppendBye(nil, &wire.Bye{Reason: uint8(reason.Leaving)}), reason.Leaving)
	}, []byte{byte(wire.LinkBye)}},
	"own frame, class 0": {func(l *Link) { ownFrame(l, wire.ClassControl) }, []byte{byte(wire.TypeData), 0}},
	"own frame, class 1": {func(l *Link) { ownFrame(l, wire.ClassAck) }, []byte{byte(wire.TypeData), 1}},
	"own frame, class 2": {func(l *Link) { ownFrame(l, wire.ClassInteractive) }, []byte{byte(wire.TypeData), 2}},
	"own frame, class 3": {func(l *Link) { ownFrame(l, wire.ClassBulk) }, []byte{byte(wire.TypeData), 3}},
	"a frame that goes on": {func(l *Link) {
		l.give(7, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 9), 1)
		if !l.Kick(1) {
			l.Rouse()
		}
	}, []byte{byte(wire.TypeData), 3, 9}},
	"many frames that go on": {func(l *Link) {
		for range 10 * limits.InlineFrames {
			l.give(7, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 8), 1)
		}
		l.give(7, wire.ClassBulk, testFrame(wire.ClassBulk, 60, 9), 1)
		if !l.Kick(10*limits.InlineFrames + 1) {
			l.Rouse()
		}
	}, []byte{byte(wire.TypeData), 3, 9}},
}

func ownFrame(l *Link, class wire.Class) {
	l.AppendOwn(class, testFrame(class, 60, 1)[wire.BatchHeader:])
}

// Whatever an end writes first, before it runs or after, arrives: over each carrier,
// from both ends, and where the carrier takes nothing at once.
func TestEarlyFramesArrive(t *testing.T) {
	for name, pair := range carriers {
		for _, jam := range []bool{false, true} {
			for _, from := range []string{"dialled", "accepted"} {
				for _, when := range []string{"before Run", "after Run"} {
					t.Run(strings.Join([]string{name, map[bool]string{true: "full", false: "free"}[jam], from, when}, "/"), func(t *testing.T) {
						for frame := range earlyFrames {
							t.Run(frame, func(t *testing.T) { arrivesEarly(t, pair, jam, from == "dialled", when == "before Run", frame) })
						}
					})
				}
			}
		}
	}
}

func arrivesEarly(t *testing.T, pair func(*testing.T) (a, b transport.Conn), jam, dialled, before bool, name string) {
	a, b := pair(t)
	if jam {
		a, b = &full{Conn: a}, &full{Conn: b}
	}
	from, to := joined(t, a, b)
	if !dialled {
		from, to = to, from
	}
	heard := make(listener, 64)
	var both sync.WaitGroup
	both.Go(func() { to.Run(heard) })
	frame := earlyFrames[name]
	if before {
		frame.write(from)
	}
	both.Go(func() { from.Run(make(listener, 64)) })
	if !before {
		frame.write(from)
	}
	heard.hears(t, frame.begin...)
	if name == "bye" { // and then it ends, with nobody's help
		<-from.Done()
	} else { // and so does what is written later
		from.AppendOwn(wire.ClassBulk, testFrame(wire.ClassBulk, 60, 5)[wire.BatchHeader:])
		heard.hears(t, byte(wire.TypeData), byte(wire.ClassBulk), 5)
	}
	from.Close(reason.Closed)
	to.Close(reason.Closed)
	both.Wait()
}

// A bye that is written before a link is dismissed, without ever having run, arrives.
func TestByeOfADismissedLinkArrives(t *testing.T) {
	for name, pair := range carriers {
		for _, jam := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a, b := pair(t)
				if jam {
					a, b = &full{Conn: a}, &full{Conn: b}
				}
				to, from := joined(t, a, b)
				heard := make(listener, 64)
				var both sync.WaitGroup
				both.Go(func() { to.Run(heard) })
				earlyFrames["bye"].write(from)
				from.Dismiss()
				heard.hears(t, byte(wire.LinkBye))
				to.Close(reason.Closed)
				both.Wait()
			})
		}
	}
}
