package engine

import (
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

func TestLearnt(t *testing.T) {
	long := strings.Repeat("p", limits.LearntPath)
	for _, test := range []struct{ url, want string }{ // empty: of no use
		{"ws://a", "ws://a"},
		{"ws://a:7000/", "ws://a:7000/"},
		{"wss://[2a00::1]:7000/mesh/x-1_2.3~4", "wss://[2a00::1]:7000/mesh/x-1_2.3~4"},
		{"mem://a", "mem://a"},
		{"ws://a/mesh?token=x", "ws://a/mesh"},
		{"ws://a?", "ws://a"},
		{"ws://a?x=1?y=2", "ws://a"},
		{"ws://a/mesh#3f9a", "ws://a/mesh"},
		{"ws://a#x?y", "ws://a"},
		{"ws://a/?x#y", "ws://a/"},
		{"ws://a?x@b", "ws://a"},
		{"ws://u:p@a", ""},
		{"ws://u@a/mesh", ""},
		{"ws://@a", ""},
		{"//u@a", ""},
		{"ws:u@a", ""},
		{"ws:a/b", ""},
		{"ws://a/%0d%0aX:y", ""},
		{"ws://a/%2e%2e/x", ""},
		{"ws://a/a;b", ""},
		{"ws://a/a\\b", ""},
		{"ws://a/a b", ""},
		{"ws://a/\r\nX: y", ""},
		{"ws://a/ä", ""},
		{"ws://a/@b", ""},
		{"ws://a/" + long[1:], "ws://a/" + long[1:]},
		{"ws://a/" + long, ""},
	} {
		got, ok := Learnt(test.url)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%q: got %q, %t, want %q", test.url, got, ok, test.want)
		}
	}
}

// However a URL is told, only what is left of it is dialled.
func TestLearntURLsAreCleanedWhereverTheyComeFrom(t *testing.T) {
	const told, want = "mem://one/reboot?now=1#x", "mem://one/reboot"
	who := stranger(1)
	id := routing.ID(who.ID())
	for name, tell := range map[string]func(b *brain, p *Peer, record []byte) []Action{
		"the peer's own record": func(b *brain, _ *Peer, record []byte) []Action {
			again := b.peer(id, func(c *link.Config) { c.Contact = record })
			b.up(again, nil)
			b.step(Pong{again.Link})
			return b.down(again, reason.Idle)
		},
		"an answer to FindNode": func(b *brain, p *Peer, record []byte) []Action {
			return b.linkFrame(p, nodesFrame(record))
		},
		"a Bye": func(b *brain, p *Peer, record []byte) []Action {
			actions := b.step(Goodbye{Link: p.Link, Reason: reason.LinkLimit, Contacts: [][]byte{record}})
			return append(actions, b.down(p, reason.LinkLimit)...)
		},
		"an ask": func(b *brain, _ *Peer, _ []byte) []Action {
			return b.step(Reach{Contact: Contact{ID: id, URLs: []string{told}, Scopes: ScopePublic}, ByPeer: true, Done: func(error) {}})
		},
		"the file of known peers": func(b *brain, _ *Peer, _ []byte) []Action {
			return b.step(Known{Contacts: []Contact{{ID: id, URLs: []string{told}, Scopes: ScopePublic}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrain(t, roomy)
			p := b.relay(stranger(0), nil)
			dials := dialsOf(tell(b, p, contactRecord(who, wire.RoleRelay, b.now, limits.ContactTTL, told)), id)
			for tries := 0; len(dials) == 0 && tries < 1000; tries++ {
				at, ok := b.Next()
				if !ok {
					break
				}
				b.now = at
				dials = dialsOf(b.step(Wake{}), id)
			}
			if len(dials) == 0 {
				t.Fatal("got no dial")
			}
			for _, d := range dials {
				if d.Target.URL != want {
					t.Errorf("dialled %q, want %q", d.Target.URL, want)
				}
			}
		})
	}
}

// dialsOf are those to one ID.
func dialsOf(actions []Action, id routing.ID) (to []Dial) {
	for _, d := range find[Dial](actions) {
		if d.Target.Pin == id {
			to = append(to, d)
		}
	}
	return to
}

// The user's own URLs are dialled as they are.
func TestOwnURLsKeepTheirQuery(t *testing.T) {
	const url = "ws://a/mesh?token=x#y"
	targets := newBrain(t, nil).joining(url)
	if len(targets) != 1 || targets[0].URL != url {
		t.Errorf("got %+v, want %q", targets, url)
	}
}
