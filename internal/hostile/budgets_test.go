package hostile_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
)

// behind are the options of a client at that address, behind a proxy that the
// node trusts.
func behind(addr string) hostile.Options {
	return hostile.Options{Header: http.Header{"X-Forwarded-For": {addr}}}
}

// proxied starts a relay that believes the proxies of this machine.
func proxied(t testing.TB) *node.Node {
	t.Helper()
	return start(t, node.Config{
		Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
}

// A flood of link handshakes from a few groups of addresses, and from this very
// machine, costs what the budget allows; others link as before. First messages
// are 32 random bytes: they cost their sender nothing.
func TestFloodOfLinkHandshakes(t *testing.T) {
	n := proxied(t)
	flood, stop := context.WithCancel(context.Background())
	defer stop()
	var tried, answered atomic.Uint64
	var flooders sync.WaitGroup
	for i := range 16 {
		opts := hostile.Options{} // of this machine
		if i%2 == 0 {
			opts = behind(fmt.Sprintf("203.%d.113.%d", i%4, i))
		}
		flooders.Go(func() {
			for flood.Err() == nil {
				pipe, err := hostile.Open(flood, url(n), opts)
				if err != nil {
					continue // no place: that costs less still
				}
				first := make([]byte, 32)
				_, _ = rand.Read(first)
				tried.Add(1)
				flooders.Go(func() {
					defer pipe.Close()
					end := context.AfterFunc(flood, func() { pipe.Close() })
					defer end()
					if pipe.Write(first) == nil {
						if _, err := pipe.Read(); err == nil {
							answered.Add(1)
						}
					}
				})
			}
		})
	}
	begin, used := time.Now(), cpu(t)
	var joins []time.Duration
	for i := range 20 {
		at := time.Now()
		l, err := hostile.Dial(within(t, amply), url(n), hostile.NewSelf(wire.RoleRelay), behind(fmt.Sprintf("198.51.%d.1", i)))
		if err != nil {
			t.Errorf("an honest client did not link: %v", err)
			continue
		}
		joins = append(joins, time.Since(at))
		defer l.Close()
	}
	took, used := time.Since(begin), cpu(t)-used
	stop()
	flooders.Wait()
	most := limits.LinkHandshakeBurst + uint64((took.Seconds()+1)*limits.LinkHandshakes)
	if got := answered.Load(); got > most {
		t.Errorf("handshakes answered in %v: got %d, want at most %d", took, got, most)
	}
	if len(joins) == 0 {
		return
	}
	slices.Sort(joins)
	t.Logf("in %v: %d tried, %d answered; %v of CPU, both ends and all tries; honest joins %v (p95) at most %v",
		took, tried.Load(), answered.Load(), used, joins[len(joins)*95/100], joins[len(joins)-1])
}

// cpu is what this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
