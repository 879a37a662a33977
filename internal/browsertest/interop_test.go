//go:build linux && !nowebrtc

package browsertest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// All tests share one browser: to start it takes longer than they do.
func TestChromium(t *testing.T) {
	begun := time.Now()
	p := openPage(t)
	t.Logf("%s, open after %v", p.agent, time.Since(begun).Round(time.Millisecond))
	for _, test := range []struct {
		name string
		run  func(*testing.T, *page)
	}{
		{"vectors", testVectors},
		{"open", testOpen},
		{"candidates before the answer", testEarlyCandidates},
		{"messages", testMessages},
		{"page closes", testPageCloses},
		{"Go closes", testGoCloses},
		{"nobody answers", testNobodyAnswers},
		{"slow page", testSlowPage},
		{"page that does not read", testUnread},
		{"slow Go", testSlowGo},
		{"stopped page", testStoppedPage},
		{"meet", testMeet},
		{"meet refusals", testMeetRefusals},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, p) })
	}
}

// bothWays runs a test on a channel that the page offered, and on one that Go
// offered.
func bothWays(t *testing.T, p *page, run func(t *testing.T, c pair)) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) { run(t, d.connect(t, p, newEndpoint(t, ""), everywhere)) })
	}
}

// Both directions, by each way in which the carrier takes packets. The page's
// own candidates are of no use, as they name no address.
func testOpen(t *testing.T, p *page) {
	for _, way := range []struct {
		name, udp string
		setup     webrtc.Setup
	}{
		{"sockets of its own", "", everywhere},
		{"one socket", "127.0.0.1:0", everywhere},
		{"no loopback", "", webrtc.Setup{}},
	} {
		for _, d := range directions {
			t.Run(d.name+", "+way.name, func(t *testing.T) {
				if way.setup.Tell == nil && !hasAddress(t) {
					t.Skip("this machine has no address but those of loopback: run it where there is a network interface")
				}
				c := d.connect(t, p, newEndpoint(t, way.udp), way.setup)
				local, remote := c.Pair()
				t.Logf("open after %v; %s to %s %v", c.took.Round(time.Millisecond), local, remote, c.RemoteAddr())
				theirs, err := hex.DecodeString(call[string](t, p, "binding", args{"n": c.n}))
				ours := c.Binding()
				if err != nil || len(ours) != 64 || !bytes.Equal(theirs, append(ours[32:64:64], ours[:32]...)) {
					t.Errorf("binding: got %x at the page, %x here, want the same two the other way round", theirs, ours)
				}
			})
		}
	}
}

// hasAddress reports whether this machine has an address that others can be told.
func hasAddress(t *testing.T) bool {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		prefix, ok := a.(*net.IPNet)
		return ok && prefix.IP.IsGlobalUnicast()
	})
}

// Candidates may overtake the answer that they belong to.
func testEarlyCandidates(t *testing.T, p *page) {
	n, theirs := p.attempt()
	a, err := newEndpoint(t, "").Answer(t.Context(), everywhere, call[string](t, p, "offer", args{"n": n}))
	if err != nil {
		t.Fatal(err)
	}
	bare := ""
	for line := range strings.Lines(a.Description()) {
		if candidate, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			p.do(t, "candidate", args{"n": n, "line": "candidate:" + strings.TrimSpace(candidate)})
		} else if !strings.HasPrefix(line, "a=end-of-candidates") {
			bare += line
		}
	}
	p.do(t, "setAnswer", args{"n": n, "answer": bare})
	p.open(t, a, n, theirs, time.Now())
}

// Whatever the carrier takes comes back from the page, in order.
func testMessages(t *testing.T, p *page) {
	bothWays(t, p, func(t *testing.T, c pair) {
		sizes := []int{1, 0, 16 << 10, 65_535, 4, 0, 65_535, 1, 1200}
		const count = 45
		p.do(t, "echo", args{"n": c.n})
		sent := make(chan error, 1)
		go func() {
			for i := range count {
				if err := c.send(message(i, sizes[i%len(sizes)])); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range count {
			got, err := c.receive()
			if want := message(i, sizes[i%len(sizes)]); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("message %d: got %d bytes, %v, want %d", i, len(got), err, len(want))
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

// noticed is far below the time after which silence is taken for an end.
const noticed = 4 * time.Second

func testPageCloses(t *testing.T, p *page) {
	bothWays(t, p, func(t *testing.T, c pair) {
		ended := make(chan error, 1)
		go func() {
			_, err := c.receive()
			ended <- err
		}()
		begun := time.Now()
		p.do(t, "close", args{"n": c.n})
		select {
		case err := <-ended:
			t.Logf("noticed after %v: %v", time.Since(begun).Round(100*time.Microsecond), err)
			if !errors.Is(err, io.EOF) {
				t.Errorf("got %v, want io.EOF", err)
			}
		case <-time.After(noticed):
			t.Fatal("Receive did not end")
		}
	})
}

func testGoCloses(t *testing.T, p *page) {
	bothWays(t, p, func(t *testing.T, c pair) {
		closed := p.begin("closed", args{"n": c.n})
		begun := time.Now()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := closed(nil); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		t.Logf("noticed after %v", took.Round(100*time.Microsecond))
		if took > noticed {
			t.Errorf("got %v, want at most %v", took, noticed)
		}
	})
}

// An attempt of the page that comes to nothing ends by itself.
func testNobodyAnswers(t *testing.T, p *page) {
	n, _ := p.attempt()
	call[string](t, p, "offer", args{"n": n, "patience": 20})
	if err := p.begin("open", args{"n": n})(nil); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got %v, want that it did not open in time", err)
	}
}

const bulk = 16 << 10 // bytes of one message of a transfer

// pour sends messages until count or an error, and counts them.
func pour(c pair, count int, sent *atomic.Int64) <-chan error {
	done := make(chan error, 1)
	go func() {
		for i := range count {
			if err := c.send(message(i, bulk)); err != nil {
				done <- err
				return
			}
			sent.Add(1)
		}
		done <- nil
	}()
	return done
}

// A page that takes 1 ms for each message gets all of them.
func testSlowPage(t *testing.T, p *page) {
	const count = 128
	c := pageOffers(t, p, newEndpoint(t, ""), everywhere)
	taken := p.begin("take", args{"n": c.n, "count": count, "size": bulk, "pause": 1})
	if err := <-pour(c, count, new(atomic.Int64)); err != nil {
		t.Fatal(err)
	}
	if err := taken(nil); err != nil {
		t.Errorf("the page: %v", err)
	}
}

// A page that does not read what comes does not collect it for ever: it ends
// the channel.
func testUnread(t *testing.T, p *page) {
	const count = 256 // 4 MiB, twice what it keeps
	c := pageOffers(t, p, newEndpoint(t, ""), everywhere)
	done := pour(c, count, new(atomic.Int64))
	if got, err := c.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes, %v, want io.EOF", len(got), err)
	}
	p.do(t, "closed", args{"n": c.n})
	if err := <-done; err != nil {
		t.Logf("the sender: %v", err)
	}
}

// What this end does not read holds the page up; nothing of it gets lost.
func testSlowGo(t *testing.T, p *page) {
	const count = 192 // 3 MiB: more than both ends hold
	c := pageOffers(t, p, newEndpoint(t, ""), everywhere)
	sent := p.begin("send", args{"n": c.n, "count": count, "size": bulk})
	held := stall(func() int { return call[int](t, p, "sent", args{"n": c.n}) })
	t.Logf("the page sent %d KiB that nobody read", held*bulk>>10)
	if held == 0 || held == count {
		t.Errorf("got %d of %d messages sent, want the page held up", held, count)
	}
	for i := range count {
		if got, err := c.receive(); err != nil || !bytes.Equal(got, message(i, bulk)) {
			t.Fatalf("message %d: got %d bytes, %v", i, len(got), err)
		}
	}
	if err := sent(nil); err != nil {
		t.Errorf("the page: %v", err)
	}
}

// A page that does nothing at all for a while, as on a machine that swaps,
// holds this end up, and goes on where it was.
func testStoppedPage(t *testing.T, p *page) {
	const count = 256 // 4 MiB: more than is buffered
	c := pageOffers(t, p, newEndpoint(t, ""), everywhere)
	taken := p.begin("take", args{"n": c.n, "count": count, "size": bulk, "pause": 0})
	var sent atomic.Int64
	sentSoFar := func() int { return int(sent.Load()) }
	done := pour(c, count, &sent)
	for deadline := time.Now().Add(patience); sentSoFar() < count/16; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the transfer does not begin")
		}
	}
	p.browser.signal(t, syscall.SIGSTOP)
	before, stopped := sentSoFar(), time.Now()
	held := stall(sentSoFar)
	p.browser.signal(t, syscall.SIGCONT)
	t.Logf("after %d KiB the page stood still for %v; the carrier took %d KiB more", before*bulk>>10,
		time.Since(stopped).Round(time.Millisecond), (held-before)*bulk>>10)
	if held == count {
		t.Error("everything was taken, want the sender held up")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := taken(nil); err != nil {
		t.Errorf("the page: %v", err)
	}
}

// stall waits until a number of messages has not changed for a while, well
// below the time after which a carrier takes the peer for dead, and returns it.
func stall(count func() int) int {
	const still, most = 300 * time.Millisecond, 2 * time.Second
	last, since := count(), time.Now()
	for begun := since; time.Since(since) < still && time.Since(begun) < most; time.Sleep(5 * time.Millisecond) {
		if now := count(); now != last {
			last, since = now, time.Now()
		}
	}
	return last
}
