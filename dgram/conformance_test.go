package dgram_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Each case expects the same of a PacketConn, in virtual time over memory and in
// real time over WebSocket, and of a UDPConn of the operating system.
func TestConformance(t *testing.T) {
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, test := range cases {
				t.Run(test.name, func(t *testing.T) { c.run(t, test.run) })
			}
		})
	}
}

var cases = []struct {
	name string
	run  func(*testing.T, pair)
}{
	{"there and back", thereAndBack},
	{"empty datagrams", emptyDatagrams},
	{"sizes up to the largest", sizes},
	{"too large", tooLarge},
	{"truncation", truncation},
	{"the buffer is the caller's again", reuse},
	{"addresses", addresses},
	{"foreign addresses", foreignAddresses},
	{"nobody there", nobodyThere},
	{"to oneself", toOneself},
	{"each datagram to one reader", manyReaders},
	{"a full read buffer", fullReadBuffer},
	{"all at once", allAtOnce},
	{"closed", closed},
	{"close wakes all", closeWakesAll},
	{"read deadline", readDeadline},
	{"deadline in the past", pastDeadline},
	{"deadline moved while blocked", movedDeadline},
	{"deadline taken away while blocked", clearedDeadline},
	{"timed-out reads, then a burst", timeoutsThenBurst},
	{"write deadline in the past", pastWriteDeadline},
	{"deadline for both", bothDeadlines},
}

func thereAndBack(t *testing.T, p pair) {
	write(t, p.b, "question", p.a.LocalAddr())
	from := expect(t, p.a, "question")
	if from.String() != p.b.LocalAddr().String() {
		t.Errorf("from: got %v, want %v", from, p.b.LocalAddr())
	}
	write(t, p.a, "answer", from)
	if from := expect(t, p.b, "answer"); from.String() != p.a.LocalAddr().String() {
		t.Errorf("from: got %v, want %v", from, p.a.LocalAddr())
	}
}

func emptyDatagrams(t *testing.T, p pair) {
	if n, err := p.b.WriteTo(nil, p.a.LocalAddr()); n != 0 || err != nil {
		t.Fatalf("write nothing: got %d, %v", n, err)
	}
	write(t, p.b, "", p.a.LocalAddr())
	write(t, p.b, "end", p.a.LocalAddr())
	for _, want := range []string{"", "", "end"} {
		if from := expect(t, p.a, want); from.String() != p.b.LocalAddr().String() {
			t.Errorf("from: got %v, want %v", from, p.b.LocalAddr())
		}
	}
}

func sizes(t *testing.T, p pair) {
	for _, size := range []int{1, 2, 511, 1200, 1452, 1453, 9000, 16384, p.largest - 1, p.largest} {
		want := strings.Repeat(string(rune('a'+size%26)), size)
		write(t, p.b, want, p.a.LocalAddr())
		expect(t, p.a, want)
	}
}

func tooLarge(t *testing.T, p pair) {
	n, err := p.b.WriteTo(make([]byte, p.largest+1), p.a.LocalAddr())
	if n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("write %d bytes: got %d, %v, want EMSGSIZE", p.largest+1, n, err)
	}
	write(t, p.b, "small", p.a.LocalAddr())
	expect(t, p.a, "small")
}

func truncation(t *testing.T, p pair) {
	for _, size := range []int{4, 0} {
		write(t, p.b, "0123456789", p.a.LocalAddr())
		buf := make([]byte, size, 20)
		set(t, p.a.SetReadDeadline(time.Now().Add(patience)))
		n, from, err := p.a.ReadFrom(buf)
		if n != size || err != nil || string(buf) != "0123456789"[:size] || from.String() != p.b.LocalAddr().String() {
			t.Errorf("read into %d bytes: got %d, %q, %v, %v", size, n, buf, from, err)
		}
		if beyond := buf[size:cap(buf)]; strings.Trim(string(beyond), "\x00") != "" {
			t.Errorf("got %q behind the buffer", beyond)
		}
	}
	write(t, p.b, "next", p.a.LocalAddr())
	expect(t, p.a, "next") // the rest is gone
}

func reuse(t *testing.T, p pair) {
	buf := make([]byte, 100)
	for i := range 50 {
		for j := range buf {
			buf[j] = byte(i)
		}
		write(t, p.b, string(buf), p.a.LocalAddr())
		if _, err := p.b.WriteTo(buf, p.a.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		clear(buf) // and then it leaves
		want := strings.Repeat(string([]byte{byte(i)}), len(buf))
		expect(t, p.a, want)
		expect(t, p.a, want)
	}
}

func addresses(t *testing.T, p pair) {
	seen := map[net.Addr]bool{} // by identity, if that is how they compare
	names := map[string]bool{}
	for range 3 {
		write(t, p.b, "x", p.a.LocalAddr())
		from := expect(t, p.a, "x")
		seen[from], names[from.String()] = true, true
		if from.Network() != p.a.LocalAddr().Network() {
			t.Errorf("network: got %q, want %q", from.Network(), p.a.LocalAddr().Network())
		}
	}
	if len(names) != 1 || p.a.LocalAddr().String() == p.b.LocalAddr().String() {
		t.Errorf("got names %v, want one, and another than %v", names, p.a.LocalAddr())
	}
}

func foreignAddresses(t *testing.T, p pair) {
	for _, addr := range []net.Addr{
		nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, (*net.UnixAddr)(nil),
		&net.UnixAddr{Name: p.b.LocalAddr().String(), Net: p.b.LocalAddr().Network()},
	} {
		n, err := p.a.WriteTo([]byte("x"), addr)
		var ne net.Error
		if n != 0 || !errors.Is(err, syscall.EINVAL) || !errors.As(err, &ne) || ne.Timeout() {
			t.Errorf("write to %#v: got %d, %v, want EINVAL", addr, n, err)
		}
		if err.Error() == "" {
			t.Error("the error says nothing")
		}
	}
	thereAndBack(t, p)
}

func nobodyThere(t *testing.T, p pair) {
	for range 10 {
		write(t, p.b, "anybody?", p.nobody)
	}
	p.settle()
	thereAndBack(t, p)
}

func toOneself(t *testing.T, p pair) {
	write(t, p.a, "me", p.a.LocalAddr())
	if from := expect(t, p.a, "me"); from.String() != p.a.LocalAddr().String() {
		t.Errorf("from: got %v, want %v", from, p.a.LocalAddr())
	}
}

func manyReaders(t *testing.T, p pair) {
	const readers, datagrams = 8, 200
	var got [datagrams]atomic.Int32
	var wg, all sync.WaitGroup
	all.Add(datagrams)
	for range readers {
		wg.Go(func() {
			buf := make([]byte, 64)
			for {
				n, _, err := p.a.ReadFrom(buf)
				if err != nil {
					isClosedErr(t, err)
					return
				}
				var i int
				if _, err := fmt.Sscan(string(buf[:n]), &i); err != nil {
					t.Error(err)
				} else if got[i].Add(1) == 1 {
					all.Done()
				}
			}
		})
	}
	for i := range datagrams {
		write(t, p.b, fmt.Sprint(i), p.a.LocalAddr())
	}
	all.Wait()
	set(t, p.a.Close())
	wg.Wait()
	for i := range got {
		if n := got[i].Load(); n != 1 {
			t.Errorf("datagram %d: got it %d times", i, n)
		}
	}
}

// isClosedErr is isClosed for other goroutines than the test's own.
func isClosedErr(t *testing.T, err error) {
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// buffered is what a UDPConn has and QUIC asks for.
type buffered interface {
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

func fullReadBuffer(t *testing.T, p pair) {
	set(t, p.a.(buffered).SetReadBuffer(8192))
	set(t, p.b.(buffered).SetWriteBuffer(1<<20))
	const sent = 200
	for range sent {
		write(t, p.b, strings.Repeat("x", 512), p.a.LocalAddr())
	}
	for end := time.Now().Add(prompt); p.dropped() < sent*3/4 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // nobody reads for longer than those who deliver wait
	}
	got := 0
	for buf := make([]byte, 600); ; got++ {
		set(t, p.a.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		if n, _, err := p.a.ReadFrom(buf); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil || n != 512 {
			t.Fatalf("read: got %d, %v", n, err)
		}
	}
	if got == 0 || got >= sent/2 {
		t.Errorf("got %d of %d datagrams of 512 bytes, want some, by a buffer of 8 KiB", got, sent)
	}
	thereAndBack(t, p)
}

func allAtOnce(t *testing.T, p pair) {
	const rounds = 100 // of each, before the ends are closed
	var all, first sync.WaitGroup
	var over atomic.Bool
	once := func(f func() error) bool {
		err := f()
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return true
		}
		t.Error(err)
		return false
	}
	forever := func(f func() error) {
		first.Add(1)
		all.Go(func() {
			ok := true
			for i := 0; ok && i < rounds; i++ {
				ok = once(f)
				runtime.Gosched()
			}
			for first.Done(); ok && !over.Load(); runtime.Gosched() {
				ok = once(f)
			}
		})
	}
	for range 3 {
		forever(func() error { _, _, err := p.a.ReadFrom(make([]byte, 100)); return err })
		forever(func() error { _, err := p.b.WriteTo(make([]byte, 100), p.a.LocalAddr()); return err })
		forever(func() error { return p.a.SetReadDeadline(time.Now().Add(time.Millisecond)) })
		forever(func() error { return p.b.SetWriteDeadline(time.Now().Add(time.Millisecond)) })
	}
	forever(func() error { return p.a.(buffered).SetReadBuffer(4096) })
	first.Wait()
	set(t, p.a.Close())
	set(t, p.b.Close())
	over.Store(true)
	all.Wait()
}
