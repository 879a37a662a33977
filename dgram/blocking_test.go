package dgram_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/transport/mem"
)

// stalled is a conn whose only link takes nothing and whose queue is full: the
// next WriteTo waits.
type stalled struct {
	*dgram.PacketConn
	to   net.Addr
	wire *mem.Conn
}

// packet is as large as those that filled the queue.
var packet = make([]byte, 1000)

func newStalled(t *testing.T) *stalled {
	t.Helper()
	s := &stalled{}
	m := &memNet{}
	m.Opening = func(from, _ string, dialled, _ *mem.Conn) error {
		if from == "b" {
			s.wire = dialled
		}
		return nil
	}
	m.relay(t, "relay")
	a := conn(t, m.leaf("a", "relay"), 7)
	s.PacketConn, s.to = conn(t, m.leaf("b", "relay"), 0), a.LocalAddr()
	greet(t, a, s.PacketConn)
	s.wire.Stall()
	for s.drops() == 0 {
		write(t, s, string(packet), s.to)
	}
	return s
}

// writing writes on a goroutine of its own.
func (s *stalled) writing() chan result {
	done := make(chan result, 1)
	go func() {
		_, err := s.WriteTo(packet, s.to)
		done <- result{"", err}
	}()
	synctest.Wait()
	return done
}

func (s *stalled) drops() uint64 { return s.Stats().Drops["queue-full"] }

// within checks how long a call took and what it returned.
func within(t *testing.T, begin time.Time, want time.Duration, err, is error) {
	t.Helper()
	if got := time.Since(begin); got != want || !errors.Is(err, is) {
		t.Errorf("got %v after %v, want %v after %v", err, got, is, want)
	}
}

func TestWriteWaitsAndDropsSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStalled(t)
		before := s.drops()
		begin := time.Now()
		n, err := s.WriteTo(packet, s.to)
		within(t, begin, dgram.WriteWait, err, nil)
		if got := s.drops() - before; n != len(packet) || got != 1 {
			t.Errorf("got %d, and %d drops counted as queue-full, want all and 1", n, got)
		}
	})
}

func TestWriteDeadlineWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStalled(t)
		before, begin := s.drops(), time.Now()
		set(t, s.SetWriteDeadline(begin.Add(soon)))
		_, err := s.WriteTo(packet, s.to)
		isTimeout(t, "write", err)
		within(t, begin, soon, err, err)

		set(t, s.SetWriteDeadline(time.Now().Add(later))) // then nearer, while it waits
		done, begin := s.writing(), time.Now()
		blocked(t, done)
		set(t, s.SetWriteDeadline(time.Now().Add(soon)))
		err = ended(t, done).err
		isTimeout(t, "write", err)
		within(t, begin, pause+soon, err, err)

		set(t, s.SetWriteDeadline(time.Time{})) // none, then a past one while it waits
		done, begin = s.writing(), time.Now()
		set(t, s.SetWriteDeadline(time.Unix(1, 0)))
		err = ended(t, done).err
		isTimeout(t, "write", err)
		within(t, begin, 0, err, err)
		if got := s.drops() - before; got != 0 {
			t.Errorf("what ended in an error: got %d counted as drops as well", got)
		}
	})
}

func TestWriteWithADeadlineWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStalled(t)
		set(t, s.SetWriteDeadline(time.Now().Add(later)))
		done := s.writing()
		time.Sleep(4 * dgram.WriteWait)
		blocked(t, done)
		s.wire.Resume()
		if r := ended(t, done); r.err != nil {
			t.Error(r.err)
		}
	})
}

func TestCloseWakesWrites(t *testing.T) {
	for _, end := range []struct {
		name  string
		close func(*stalled) error
	}{
		{"the conn", func(s *stalled) error { return s.Close() }},
		{"the node", func(s *stalled) error { return s.Node().Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStalled(t)
				set(t, s.SetWriteDeadline(time.Now().Add(later)))
				first, second, reads := s.writing(), s.writing(), reading(s)
				blocked(t, first)
				begin := time.Now()
				go end.close(s)
				for _, done := range []chan result{first, second, reads} {
					isClosed(t, "call", ended(t, done).err)
				}
				within(t, begin, 0, nil, nil)
			})
		})
	}
}

// A link that ends with somebody waiting for room in it is a drop as any other.
func TestLinkLostWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStalled(t)
		set(t, s.SetWriteDeadline(time.Now().Add(later)))
		done := s.writing()
		s.wire.Break()
		if r := ended(t, done); r.err != nil || s.Stats().Drops["link-lost"] != 1 {
			t.Errorf("got %v and drops %v, want nil and one link-lost", r.err, s.Stats().Drops)
		}
	})
}
