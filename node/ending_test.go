package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport/mem"
)

// Peers that read nothing may not make a node keep any number of links that it
// wants to end.
func TestFewEndingLinksWaitForTheirPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		n := m.start("a", Config{})
		const more = 10
		var links []*link.Link
		for i := range limits.EndingLinks + more {
			l := deaf(t, n, uint64(i+1))
			n.closeLink(l, reason.LinkLimit, nil)
			links = append(links, l)
		}
		synctest.Wait()
		if got := live(links); got != limits.EndingLinks {
			t.Errorf("links that wait for their peers: got %d of %d, want %d", got, len(links), limits.EndingLinks)
		}
		time.Sleep(limits.ByeFlush)
		synctest.Wait()
		if got := live(links); got != 0 {
			t.Errorf("links after %v: got %d, want none", limits.ByeFlush, got)
		}
		last := deaf(t, n, uint64(len(links)+1))
		n.closeLink(last, reason.LinkLimit, nil)
		synctest.Wait()
		if live([]*link.Link{last}) != 1 {
			t.Error("a later link was ended at once, want the time for a bye again")
		}
		time.Sleep(limits.ByeFlush)
	})
}

// deaf returns a link, run by n, to a peer that reads nothing while more than its
// carrier holds is on the way.
func deaf(t *testing.T, n *Node, number uint64) *link.Link {
	t.Helper()
	conn, peer := mem.Pipe()
	t.Cleanup(func() { peer.Close() })
	l := link.New(link.Config{Number: number, Carrier: conn}, time.Now())
	frame := wire.AppendFrame(nil, &wire.Frame{Type: wire.TypeData, Class: wire.ClassBulk, HopLimit: 1, Body: make([]byte, 60_000)})
	n.spawn(l.Dismiss)
	for range 2 * mem.QueueBytes / len(frame) {
		l.AppendOwn(wire.ClassBulk, frame)
		synctest.Wait()
	}
	return l
}

func live(links []*link.Link) (count int) {
	for _, l := range links {
		select {
		case <-l.Done():
		default:
			count++
		}
	}
	return count
}
