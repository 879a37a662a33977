package hostile_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// silent is a relay that proves itself, answers pings, and does nothing else.
func silent(t *testing.T) (self *hostile.Self, url string) {
	t.Helper()
	self = hostile.NewSelf(wire.RoleRelay)
	srv, err := hostile.Serve(func(p hostile.Pipe) {
		if l, err := hostile.Take(p, self); err == nil {
			l.Run(hostile.Habits{})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return self, srv.URL
}

// A leaf whose only relay is silent never says that it is attached, and says which
// relay is at fault, and how.
func TestASilentRelayIsNamed(t *testing.T) {
	relay, url := silent(t)
	n := start(t, node.Config{Leaf: true, Bootstrap: []string{url}, WebRTC: node.WebRTCOff})
	named := false
	for ev := range n.Events(within(t, amply)) {
		if ev.Kind == node.Attached {
			t.Fatal("attached at a relay that is silent")
		}
		if named = ev.Kind == node.NoHome; named {
			if ev.Peer != routing.ID(relay.ID()) || ev.URL.Reveal() != url || !strings.Contains(ev.Err, ev.Peer.Short()) {
				t.Errorf("event: got %+v, want one that names the relay", ev)
			}
			break
		}
	}
	if !named {
		t.Errorf("no event says that the relay is no home")
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	err := n.Ready(gone)
	var join *node.JoinError
	if !errors.As(err, &join) || join.Stage != "attach" || join.URL.Reveal() != url || !strings.Contains(join.Error(), routing.ID(relay.ID()).Short()) {
		t.Errorf("the error of the join: got %v, want one that names the relay", err)
	}
	s := n.Status()
	if b := s.Bootstraps[0]; s.Attached || b.Linked || b.Stage != "attach" || b.LastError == "" {
		t.Errorf("status: attached %v, %+v", s.Attached, b)
	}
}

// With one honest relay beside the silent one a leaf attaches there, whichever
// answers first, and tells nobody that it is at the other.
func TestASilentRelayBesideAnHonestOne(t *testing.T) {
	honest := relay(t)
	for i := range 4 {
		bad, url := silent(t)
		urls := []string{url, honest.URLs()[0]}
		if i%2 == 1 {
			urls[0], urls[1] = urls[1], urls[0]
		}
		n := start(t, node.Config{Leaf: true, Bootstrap: urls, WebRTC: node.WebRTCOff})
		if err := n.Ready(within(t, amply)); err != nil {
			t.Fatalf("join %d: %v", i, err)
		}
		until(t, "the silent one is given up", func() bool {
			s := n.Status()
			return len(s.Homes) == 1 && s.Homes[0] == honest.ID() && peers(n, bad.ID())
		})
	}
}

// One signed link frame about a leaf, from a stranger: what a relay sends to that
// leaf arrives as before.
func TestARecordAboutSomebodyElse(t *testing.T) {
	a, box := relay(t), newInbox()
	b := start(t, node.Config{Listen: "127.0.0.1:0", Bootstrap: a.URLs(), WebRTC: node.WebRTCOff})
	leaf := start(t, node.Config{Leaf: true, Bootstrap: b.URLs(), Homes: 1, WebRTC: node.WebRTCOff})
	leaf.Handle(box)
	for _, n := range []*node.Node{b, leaf} {
		if err := n.Ready(within(t, amply)); err != nil {
			t.Fatal(err)
		}
	}
	stranger := hostile.NewSelf(wire.RoleRelay)
	l := dial(t, a, stranger, hostile.Habits{})
	if err := l.Ping(within(t, amply), [8]byte{1}); err != nil {
		t.Fatal(err)
	}
	before := a.Status().Drops["bad-record"]
	for _, homes := range [][]wire.ID{{stranger.ID()}, {stranger.ID(), wire.ID(b.ID())}} {
		body := wire.AppendAttachment(nil, &wire.Attachment{Leaf: wire.ID(leaf.ID()), Homes: homes})
		record := stranger.Identity.Sign(wire.RecordAttachment, uint64(time.Now().Add(time.Minute).UnixMilli()), limits.AttachmentTTL, body)
		if err := l.Send(wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: limits.AttachmentTTL, Record: record})); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "both records are refused", func() bool { return a.Status().Drops["bad-record"] == before+2 })
	for i := range 3 {
		if err := a.Send(within(t, amply), leaf.ID(), []byte{byte(i)}); err != nil {
			t.Errorf("send %d: %v", i, err)
		}
	}
	box.wait(t, 3)
}

// A relay that says records which do not verify, of itself or of others, loses its
// link and stays away for a while. Who keeps the rules beside it stays.
func TestBadRecordsCostTheLink(t *testing.T) {
	bad := func(self *hostile.Self) []byte {
		b := self.Contact()
		b[len(b)-1] ^= 1
		return b
	}
	for name, lie := range map[string]func(l *hostile.Link, self *hostile.Self) error{
		"of itself": func(l *hostile.Link, self *hostile.Self) error {
			for range limits.BadRecords {
				if err := l.Send(wire.AppendLinkRecord(nil, &wire.RecordCopy{Remaining: 60, Record: bad(self)})); err != nil {
					return err
				}
			}
			return nil
		},
		"of others": func(l *hostile.Link, _ *hostile.Self) error {
			if _, err := l.Await(within(t, amply), hostile.IsLink(wire.LinkFindNode)); err != nil {
				return err
			}
			records := make([][]byte, limits.BadRecords)
			for i := range records {
				records[i] = bad(hostile.NewSelf(wire.RoleRelay))
			}
			return l.Send(wire.AppendNodes(nil, &wire.Nodes{Records: records}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := relay(t)
			self, honest := hostile.NewSelf(wire.RoleRelay), hostile.NewSelf(wire.RoleRelay)
			l := dial(t, n, self, hostile.Habits{})
			beside := dial(t, n, honest, hostile.Habits{})
			until(t, "both are linked", func() bool { return peers(n, self.ID()) && peers(n, honest.ID()) })
			if err := lie(l, self); err != nil {
				t.Fatal(err)
			}
			bye, err := l.Ended(within(t, amply))
			if err != nil || bye == nil || reason.Reason(bye.Reason) != reason.ProtocolError {
				t.Errorf("the link ended with %+v, %v, want a Bye with protocol-error", bye, err)
			}
			bye, err = dial(t, n, self, hostile.Habits{}).Ended(within(t, amply))
			if err != nil || bye == nil || reason.Reason(bye.Reason) != reason.Banned {
				t.Errorf("when it came back: got %+v, %v, want a Bye with banned", bye, err)
			}
			if err := beside.Ping(within(t, amply), [8]byte{1}); err != nil || !peers(n, honest.ID()) {
				t.Errorf("who keeps the rules: %v", err)
			}
		})
	}
}
