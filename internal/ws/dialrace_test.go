package ws

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

func addresses(texts ...string) (addrs []netip.Addr) {
	for _, text := range texts {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}

// behaviour is how a server at an address takes a dial.
type behaviour struct {
	accepts bool          // it answers the first step at once, and says nothing more
	after   time.Duration // until it answers; 0: never
	err     error         // what it answers with; nil: it upgrades
}

func TestDialOfManyAddresses(t *testing.T) {
	refused := errors.New("refused")
	silent, accepting, live := behaviour{}, behaviour{accepts: true}, behaviour{after: 10 * time.Millisecond}
	for _, test := range []struct {
		name    string
		servers []behaviour
		within  time.Duration
		tried   int
		fails   bool
	}{
		{"one", []behaviour{live}, 10 * time.Millisecond, 1, false},
		{"the first answers", []behaviour{live, live, live}, 10 * time.Millisecond, 1, false},
		{"three are silent", []behaviour{silent, silent, silent, live}, 3*limits.DialStagger + 10*time.Millisecond, 4, false},
		{"one accepts and says nothing", []behaviour{accepting, live}, 2*limits.DialStagger + 10*time.Millisecond, 2, false},
		{"three accept and say nothing", []behaviour{accepting, accepting, accepting, live}, time.Second, 4, false},
		{"refusals cost nothing", []behaviour{{err: refused, after: 1}, {err: refused, after: 1}, live}, 11 * time.Millisecond, 3, false},
		{"a slow one that began first", []behaviour{{after: 400 * time.Millisecond}, silent}, 400 * time.Millisecond, 2, false},
		{"all refuse", []behaviour{{err: refused, after: 1}, {err: refused, after: 1}}, time.Millisecond, 2, true},
		{"all are silent", []behaviour{silent, silent}, limits.HandshakeTimeout, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), limits.HandshakeTimeout)
				defer cancel()
				var addrs []netip.Addr
				for i := range test.servers {
					addrs = append(addrs, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
				}
				var tried atomic.Int32
				began := time.Now()
				conn, failed := race(ctx, addrs, func(ctx context.Context, addr netip.Addr, progress func()) (*Conn, error) {
					b := test.servers[addr.As4()[3]]
					tried.Add(1)
					if b.accepts {
						time.Sleep(time.Millisecond)
						progress()
					}
					var answers <-chan time.Time
					if b.after > 0 {
						answers = time.After(b.after)
					}
					select {
					case <-answers:
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if b.err != nil {
						return nil, b.err
					}
					return &Conn{}, nil
				})
				if took := time.Since(began); took > test.within {
					t.Errorf("took %v, want at most %v", took, test.within)
				}
				if int(tried.Load()) != test.tried || (conn == nil) != test.fails {
					t.Errorf("got %d tried and a connection %v, want %d and %v", tried.Load(), conn != nil, test.tried, !test.fails)
				}
				if test.fails && len(failed) != len(addrs) {
					t.Errorf("got %d failures, want one for each address", len(failed))
				}
			})
		})
	}
}

func TestAddressFamiliesGoByTurns(t *testing.T) {
	got := byTurns(addresses("2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3", "192.0.2.2"))
	if want := addresses("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// dialName dials ws://mesh.test at a port, a name with these addresses.
func dialName(t *testing.T, ctx context.Context, port string, addrs ...string) (*Conn, error) {
	t.Helper()
	u := &url.URL{Scheme: "ws", Host: net.JoinHostPort("mesh.test", port)}
	return Dial(ctx, u, DialOptions{Lookup: func(context.Context, string) ([]netip.Addr, error) { return addresses(addrs...), nil }})
}

func TestFailureNamesEachAddress(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	_, err = dialName(t, t.Context(), port, "127.0.0.1", "127.0.0.2")
	var failed *transport.DialError
	var each *transport.AddressesError
	if !errors.As(err, &failed) || failed.Stage != transport.StageConnect || !errors.As(err, &each) || len(each.Errs) != 2 {
		t.Fatalf("got %v, want both addresses, refused", err)
	}
	for _, addr := range []string{"127.0.0.1: ", "127.0.0.2: "} {
		if !strings.Contains(err.Error(), addr) {
			t.Errorf("got %v, want %q in it", err, addr)
		}
	}
}

func TestOrderOfAddressesIsTheCallers(t *testing.T) {
	var given []netip.Addr
	ctx := transport.WithAddressOrder(t.Context(), func(addrs []netip.Addr) []netip.Addr {
		given = addrs
		return nil
	})
	_, err := dialName(t, ctx, "1", "127.0.0.1", "127.0.0.2")
	if !errors.Is(err, transport.ErrNoAddress) || !slices.Equal(given, addresses("127.0.0.1", "127.0.0.2")) {
		t.Errorf("got %v after the order got %v, want no address to dial", err, given)
	}
}

// Over TLS as over TCP, a server that accepts and says nothing hides no other address
// of its name.
func TestMuteAddressHidesNoOther(t *testing.T) {
	for name, secure := range map[string]bool{"ws": false, "wss": true} {
		t.Run(name, func(t *testing.T) {
			u, cfg, accepted := server(t, AcceptOptions{}, secure)
			mute, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", u.Port()))
			if err != nil {
				t.Skip("this system has 127.0.0.1 alone on loopback; Linux has more: ", err)
			}
			defer mute.Close()
			u.Host = net.JoinHostPort("example.com", u.Port()) // as the server's certificate has it
			conn, err := Dial(t.Context(), u, DialOptions{TLSConfig: cfg, Lookup: func(context.Context, string) ([]netip.Addr, error) {
				return addresses("127.0.0.2", "127.0.0.1"), nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			defer (<-accepted).Close()
			if got := conn.RemoteAddr().String(); !strings.HasPrefix(got, "127.0.0.1:") {
				t.Errorf("got a connection with %s, want the address that answers", got)
			}
		})
	}
}
