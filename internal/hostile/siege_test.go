package hostile_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

var large = flag.Bool("large", false, "lay sieges of meshes that have stood for a while, and with 64 Sybils, too")

const besiegedRelays = 32

// Identities that were ground next to a leaf's Key link with every relay that
// takes them, answer pings, and drop what they should carry. Whoever has not
// talked to the leaf before still reaches it. In a mesh that is seconds old everybody
// is a newcomer: with -large it stands for as long as a link takes to be proven.
func TestASiegeOfRealRelays(t *testing.T) {
	if raced {
		t.Skip("make budgets lays this siege, without the race detector")
	}
	for _, sybils := range []int{4, 16, 64} {
		t.Run(fmt.Sprint(sybils), func(t *testing.T) {
			if sybils > 16 && !*large {
				t.Skip("2,048 links take a while: make siege lays this one, too")
			}
			if *large {
				t.Parallel() // they wait for most of the time
			}
			relays := meshOf(t, besiegedRelays)
			if *large {
				time.Sleep(limits.ProvenAfter + time.Minute)
			}
			victim := leaf(t, url(relays[0]), url(relays[1]), url(relays[2]))
			victim.Handle(newInbox())
			besiege(t, relays, victim.ID(), sybils)
			quick, arrived := 0, 0
			for _, n := range relays {
				began := time.Now()
				if err := n.Send(within(t, amply), victim.ID(), []byte("hello")); err != nil {
					t.Logf("Send from relay %s: %v", n.ID().Short(), err)
					continue
				}
				arrived++
				if time.Since(began) <= time.Second {
					quick++
				}
			}
			t.Logf("%d Sybils: %d of %d Sends arrived, %d within 1 s", sybils, arrived, len(relays), quick)
			if most := missing(sybils); len(relays)-arrived > most {
				t.Errorf("got %d Sends that did not arrive, want at most %d", len(relays)-arrived, most)
			}
		})
	}
}

// missing is how many relays may not reach the leaf: none of a mesh that has stood. In a
// young one a relay may have lost its links with honest ones to Sybils.
func missing(sybils int) int {
	if *large || sybils <= 4 {
		return 0
	}
	return 1
}

// meshOf starts relays with few links each, so that frames take several hops.
func meshOf(t *testing.T, count int) []*node.Node {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(count)))
	var relays []*node.Node
	for i := range count {
		cfg := node.Config{Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff, MaxPeers: 16}
		if i > 0 {
			cfg.Bootstrap = []string{url(relays[random.IntN(i)])}
		}
		relays = append(relays, start(t, cfg))
		if i > 0 {
			ready(t, relays[i])
		}
	}
	for _, n := range relays {
		until(t, "the mesh settles", n.Settled)
	}
	return relays
}

// besiege links Sybils with all relays that take them.
func besiege(t *testing.T, relays []*node.Node, victim routing.ID, sybils int) {
	t.Helper()
	key, source := wire.Key(victim.Key()), seeded(byte(sybils))
	linked, failed := 0, error(nil)
	for range sybils {
		self := hostile.As(hostile.Grind(source, hostile.Near(key, 12)), wire.RoleRelay)
		self.Hello.Need = true
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, n := range relays {
			all.Go(func() {
				l, err := hostile.Dial(within(t, amply), url(n), self, hostile.Options{})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = err
					return
				}
				t.Cleanup(func() { l.Close() })
				l.Run(hostile.Habits{})
				linked++
			})
		}
		all.Wait()
	}
	if linked == 0 {
		t.Fatalf("no relay took a Sybil: %v", failed)
	}
}

// A relay that answers pings and nothing else does not keep a leaf from joining
// by an honest one beside it: each joins, within 3 s. It takes 2 to 4 ms.
func TestAJoinBesideASilentRelay(t *testing.T) {
	const most = 3 * time.Second
	honest := relay(t)
	for i := range 8 {
		victim := hostile.As(hostile.Grind(seeded(byte(i)), func(wire.Key) bool { return true }), wire.RoleRelay)
		silent := serveSilent(t, victim)
		n := start(t, node.Config{Leaf: true, Bootstrap: []string{silent.URL, url(honest)}, WebRTC: node.WebRTCOff})
		n.Handle(newInbox())
		began := time.Now()
		if err := n.Ready(within(t, amply)); err != nil {
			t.Fatalf("join %d: %v", i, err)
		}
		took := time.Since(began).Round(time.Millisecond)
		if t.Logf("join %d took %v", i, took); took > most {
			t.Errorf("join %d took %v, want at most %v", i, took, most)
		}
		if err := honest.Send(within(t, amply), n.ID(), []byte("hello")); err != nil {
			t.Errorf("join %d: the leaf is not found: %v", i, err)
		}
		n.Close()
	}
}

// serveSilent runs a relay that answers pings and drops all else.
func serveSilent(t *testing.T, self *hostile.Self) *hostile.Server {
	t.Helper()
	s, err := hostile.Serve(func(p hostile.Pipe) {
		if l, err := hostile.Take(p, self); err == nil {
			l.Run(hostile.Habits{})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
