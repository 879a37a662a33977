//go:build !nowebrtc

package webrtc_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/transporttest"
	"github.com/peermesh/peermesh/transport/webrtc"
)

func listen(t testing.TB, address string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fixed is an endpoint with one socket for all pipes.
func fixed(t testing.TB) *webrtc.Endpoint {
	return endpoint(t, webrtc.Config{UDP: listen(t, "127.0.0.1:0")})
}

func TestConformanceOnFixedSockets(t *testing.T) {
	transporttest.Run(t, "both", func(t testing.TB) (a, b transport.Conn) { return pipe(t, fixed(t), fixed(t)) })
	transporttest.Run(t, "offerer", func(t testing.TB) (a, b transport.Conn) {
		return pipe(t, fixed(t), endpoint(t, webrtc.Config{}))
	})
}

// say sends a message and waits for it at the other end.
func say(t testing.TB, from, to transport.Conn, text string) {
	t.Helper()
	if err := from.Send([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := from.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := to.Receive(func() []byte { return make([]byte, 1000) })
	if err != nil || string(got) != text {
		t.Fatalf("got %q, %v, want %q", got, err, text)
	}
}

func TestManyPipesOnOneSocket(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(address, func(t *testing.T) { testManyPipes(t, endpoint(t, webrtc.Config{UDP: listen(t, address)})) })
	}
}

func testManyPipes(t *testing.T, hub *webrtc.Endpoint) {
	const many = 20
	var ends [many][2]*webrtc.Conn
	var opening sync.WaitGroup
	for i := range many {
		far := endpoint(t, webrtc.Config{})
		opening.Go(func() {
			if i%2 == 0 {
				ends[i][0], ends[i][1] = pipe(t, hub, far)
			} else {
				ends[i][1], ends[i][0] = pipe(t, far, hub)
			}
		})
	}
	opening.Wait()
	for i, e := range ends {
		say(t, e[0], e[1], fmt.Sprintf("to %d", i))
		say(t, e[1], e[0], fmt.Sprintf("from %d", i))
	}
}

// A pipe between two fixed sockets can be made again once the old one is
// closed, from either side.
func TestAgainBetweenFixedSockets(t *testing.T) {
	a, b := fixed(t), fixed(t)
	for i := range 4 {
		x, y := pipe(t, a, b)
		say(t, x, y, fmt.Sprint(i))
		if i%2 == 0 {
			x, y = y, x
		}
		_ = x.Close()
		_ = y.Close()
		a, b = b, a
	}
}

// ask sends a packet and returns the answer, nil if there is none.
func ask(t *testing.T, c net.PacketConn, to net.Addr, packet []byte, patience time.Duration) []byte {
	t.Helper()
	if _, err := c.WriteTo(packet, to); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1500)
	n, _, err := c.ReadFrom(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

func stunAddr(e *webrtc.Endpoint) net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), e.STUNPort()))
}

func TestAnswersSTUN(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			e := endpoint(t, webrtc.Config{UDP: listen(t, address)})
			me := listen(t, "127.0.0.1:0")
			question := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
			reply := stun.Message{Raw: ask(t, me, stunAddr(e), question.Raw, patience)}
			if err := reply.Decode(); err != nil {
				t.Fatal(err)
			}
			var mapped stun.XORMappedAddress
			if err := mapped.GetFrom(&reply); err != nil || reply.Type != stun.BindingSuccess || reply.TransactionID != question.TransactionID {
				t.Fatalf("got %v, %v, want the answer", reply, err)
			}
			if got, want := mapped.String(), me.LocalAddr().String(); got != want {
				t.Errorf("got address %s, want %s", got, want)
			}
			if got, most := len(reply.Raw), len(question.Raw)+12; got > most {
				t.Errorf("got an answer of %d bytes, want at most %d", got, most)
			}
		})
	}
}

// What is not a question of STUN gets no answer, and does no harm.
func TestAnswersNothingElse(t *testing.T) {
	e := fixed(t)
	me := listen(t, "127.0.0.1:0")
	question := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	cut := question.Raw[:19]
	lying := bytes.Clone(question.Raw)
	lying[3] = 200 // the length
	for _, packet := range [][]byte{
		{}, {0}, []byte("hello"), cut, lying,
		stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("nobody:here")).Raw,
		stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw,
		stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)).Raw,
	} {
		if _, err := me.WriteTo(packet, stunAddr(e)); err != nil {
			t.Fatal(err)
		}
	}
	reply := stun.Message{Raw: ask(t, me, stunAddr(e), question.Raw, patience)}
	if err := reply.Decode(); err != nil || reply.TransactionID != question.TransactionID {
		t.Fatalf("got %v, %v, want the answer to the last packet alone", reply, err)
	}
}

// A flood gets as many answers as the limit allows, and links go on.
func TestSTUNIsLimited(t *testing.T) {
	e := fixed(t)
	a, b := pipe(t, e, endpoint(t, webrtc.Config{}))
	me := listen(t, "127.0.0.1:0")
	question := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	began, answers := time.Now(), 0
	for range 3 * limits.STUNBurstAll {
		if ask(t, me, stunAddr(e), question.Raw, time.Millisecond) != nil {
			answers++
		}
	}
	say(t, a, b, "still here")
	most := limits.STUNBurstAll + int(time.Since(began).Seconds()*limits.STUNRateAll) + 1
	if answers > most || answers == 0 {
		t.Errorf("got %d answers, want some and at most %d", answers, most)
	}
}
