package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

var cacheTime = time.Unix(1_800_000_000, 0)

// cachedPeer is a peer with a record signed then.
func cachedPeer(t *testing.T, signed, linked time.Time, urls ...string) knownPeer {
	t.Helper()
	id, err := identity.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	body := wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: urls})
	record := id.Sign(wire.RecordContact, identity.NextSequence(0, signed), limits.ContactTTL, body)
	return knownPeer{engine.Contact{ID: routing.ID(id.ID()), URLs: urls, Record: record, Scopes: engine.ScopeLoopback.Told()}, linked}
}

func samePeers(a, b []knownPeer) bool {
	return slices.EqualFunc(a, b, func(a, b knownPeer) bool {
		return sameContact(&a.Contact, &b.Contact) && bytes.Equal(a.Record, b.Record) && a.linked.Equal(b.linked)
	})
}

func TestKnownPeersAreReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), knownPeersFile)
	want := []knownPeer{
		cachedPeer(t, cacheTime, cacheTime, "ws://127.0.0.1:8080", `wss://host/path?"quoted"&<e>`),
		cachedPeer(t, cacheTime, cacheTime.Add(-time.Hour), "ws://[::1]:1"),
	}
	for range 2 { // the second replaces the first
		if err := writeKnownPeers(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readKnownPeers(path, cacheTime)
	if err != nil || !samePeers(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v, want 0600", info.Mode(), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("files: got %v, want one", files)
	}
}

func TestAnExpiredRecordStillLeadsToThePeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), knownPeersFile)
	peer := cachedPeer(t, cacheTime, cacheTime, "ws://127.0.0.1:8080")
	if err := writeKnownPeers(path, []knownPeer{peer}); err != nil {
		t.Fatal(err)
	}
	got, err := readKnownPeers(path, cacheTime.Add(48*time.Hour))
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v, want one peer", got, err)
	}
	if got[0].ID != peer.ID || !slices.Equal(got[0].URLs, peer.URLs) || got[0].Record != nil {
		t.Errorf("got %+v, want the ID and the URL without the record", got[0])
	}
}

func TestDamagedKnownPeers(t *testing.T) {
	whole, err := formatKnownPeers([]knownPeer{cachedPeer(t, cacheTime, cacheTime, "ws://127.0.0.1:8080")})
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(text string) []byte {
		return fmt.Appendf(nil, "%s%s%x\n", text, knownPeersSum, sha256.Sum256([]byte(text)))
	}
	for _, test := range []struct {
		name string
		file []byte
	}{
		{"empty", nil},
		{"foreign", []byte("{\"version\": 3}\n")},
		{"binary", bytes.Repeat([]byte{0, 0xff}, 1000)},
		{"a line is missing", append([]byte(knownPeersHead), whole[bytes.LastIndex(whole, []byte(knownPeersSum)):]...)},
		{"something follows", append(slices.Clone(whole), '\n')},
		{"written twice", append(slices.Clone(whole), whole...)},
		{"another version", sealed("peermesh peers 2\n")},
		{"too big", sealed(knownPeersHead + strings.Repeat("x", limits.KnownPeersBytes))},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), knownPeersFile)
			if err := os.WriteFile(path, test.file, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := readKnownPeers(path, cacheTime); !errors.Is(err, errKnownPeers) {
				t.Errorf("got %v, %v, want %v", got, err, errKnownPeers)
			}
		})
	}
	t.Run("every truncation", func(t *testing.T) {
		for n := range whole {
			if got, err := parseKnownPeers(whole[:n], cacheTime); err == nil {
				t.Fatalf("first %d of %d bytes: got %v, want an error", n, len(whole), got)
			}
		}
	})
	t.Run("every changed byte", func(t *testing.T) {
		for i := range whole {
			b := slices.Clone(whole)
			b[i] ^= 1
			if got, err := parseKnownPeers(b, cacheTime); err == nil {
				t.Fatalf("byte %d changed: got %v, want an error", i, got)
			}
		}
	})
	t.Run("a directory", func(t *testing.T) {
		if _, err := readKnownPeers(t.TempDir(), cacheTime); !errors.Is(err, errKnownPeers) {
			t.Errorf("got %v, want %v", err, errKnownPeers)
		}
	})
}

// Lines with a good checksum that say nothing useful.
func TestUselessKnownPeers(t *testing.T) {
	good := `{"id":"3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b","linked":9999999999,"scopes":["public","galactic"],"urls":["ws://h:1","::"],"record":"AQI="}`
	text := knownPeersHead + strings.Join([]string{
		`{"id":"3f9a","scopes":["public"],"urls":["ws://h:1"]}`,
		`{"id":"3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1c","scopes":[],"urls":["ws://h:1"]}`,
		`{"id":"3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1c","scopes":["public"],"urls":["` + strings.Repeat("x", 300) + `"]}`,
		`{"id":"0000000000000000000000000000000000000000","scopes":["public"],"urls":["ws://h:1"]}`,
		`not JSON`, ``, good, good,
	}, "\n") + "\n"
	got, err := parseKnownPeers(fmt.Appendf([]byte(text), "%s%x\n", knownPeersSum, sha256.Sum256([]byte(text))), cacheTime)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v, want one peer", got, err)
	}
	p := got[0]
	if !slices.Equal(p.URLs, []string{"ws://h:1"}) || p.Scopes != engine.ScopePublic || p.Record != nil || !p.linked.Equal(cacheTime) {
		t.Errorf("got %+v, want one URL, public, no record, linked no later than now", p)
	}
}

func TestKnownPeersAreBounded(t *testing.T) {
	k := &knownPeers{path: filepath.Join(t.TempDir(), knownPeersFile)}
	long := "ws://" + strings.Repeat("h", limits.ContactURLBytes-5)
	var contacts []engine.Contact
	live := make(map[routing.ID]bool)
	for i := range 3 * limits.KnownPeers {
		c := engine.Contact{
			ID: routing.ID{1, byte(i >> 8), byte(i)}, Scopes: engine.ScopePublic, Record: make([]byte, 2177),
			URLs: slices.Repeat([]string{long}, limits.ContactURLs),
		}
		contacts = append(contacts, c)
		live[c.ID] = i%3 == 0
	}
	if _, err := k.save(contacts, live, cacheTime, false); err != nil {
		t.Fatal(err)
	}
	got, err := readKnownPeers(k.path, cacheTime)
	if err != nil || len(got) != limits.KnownPeers {
		t.Fatalf("got %d peers, %v, want %d", len(got), err, limits.KnownPeers)
	}
	for _, p := range got {
		if !live[p.ID] {
			t.Fatalf("%s is kept, but was not linked", p.ID.Short())
		}
	}
	if k.changed {
		t.Error("what there is no room for counts as a change")
	}
}

func TestKnownPeersOutliveTheirLinks(t *testing.T) {
	k := &knownPeers{path: filepath.Join(t.TempDir(), knownPeersFile)}
	p := cachedPeer(t, cacheTime, cacheTime, "ws://127.0.0.1:8080")
	if _, err := k.save([]engine.Contact{p.Contact}, map[routing.ID]bool{p.ID: true}, cacheTime, false); err != nil {
		t.Fatal(err)
	}
	if _, err := k.save(nil, nil, cacheTime.Add(time.Hour), true); err != nil {
		t.Fatal(err)
	}
	got, err := readKnownPeers(k.path, cacheTime.Add(time.Minute))
	if err != nil || !samePeers(got, []knownPeer{p}) {
		t.Errorf("got %v, %v, want the peer as it was", got, err)
	}
}

// What a disk did not take is tried again.
func TestUnwritableKnownPeers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := &knownPeers{path: filepath.Join(dir, knownPeersFile)}
	p := cachedPeer(t, cacheTime, cacheTime, "ws://127.0.0.1:8080")
	save := func() (bool, error) {
		return k.save([]engine.Contact{p.Contact}, map[routing.ID]bool{p.ID: true}, cacheTime, false)
	}
	for i := range 3 {
		if wrote, err := save(); err == nil || wrote {
			t.Errorf("attempt %d: got %v, %v, want an error", i, wrote, err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if wrote, err := save(); err != nil || !wrote {
		t.Errorf("when there is room: got %v, %v, want no error", wrote, err)
	}
	if got, err := readKnownPeers(k.path, cacheTime); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v, want one peer", got, err)
	}
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func TestNodeStartsWithADamagedCache(t *testing.T) {
	dir, log := t.TempDir(), &lines{}
	if err := os.WriteFile(filepath.Join(dir, knownPeersFile), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := New(Config{StateDir: dir, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	if got := log.count("cannot be read"); got != 1 {
		t.Errorf("told of the damage %d times, want once", got)
	}
}

// A node that ran once finds its mesh again by its state directory alone.
func TestNodeRejoinsWithoutBootstrap(t *testing.T) {
	a, b := relayOn(t, Config{}), t.TempDir()
	first, err := New(Config{Listen: "127.0.0.1:0", StateDir: b, Bootstrap: a.URLs()})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ready(t, first)
	awaitPeer(t, first, a.ID())
	if err := first.Shutdown(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	again, err := New(Config{Listen: "127.0.0.1:0", StateDir: b})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	awaitPeer(t, again, a.ID())
}

// relayOn starts a relay on a free port of loopback.
func relayOn(t *testing.T, cfg Config) *Node {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// awaitPeer waits until a link with a node runs.
func awaitPeer(t *testing.T, n *Node, id routing.ID) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		_, changed := n.state.look()
		if n.linkedWith(id) {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no link with %s", id.Short())
		}
	}
}

// wsInMemory dials ws://name:port as mem://name.
type wsInMemory struct{ transport.Dialer }

func (d wsInMemory) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	return d.Dialer.Dial(ctx, &url.URL{Scheme: mem.Scheme, Host: u.Hostname()})
}

// startInMemory starts a node that others reach at ws://name:1 of a network in memory.
func startInMemory(t *testing.T, network *mem.Network, name string, cfg Config) *Node {
	t.Helper()
	cfg.PublicURLs = []string{"ws://" + name + ":1"}
	cfg.Dialers = map[string]transport.Dialer{"ws": wsInMemory{network.Dialer(name)}}
	cfg.WebRTC = WebRTCOff // real sockets know no virtual time
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if _, err := network.Listen(name, n.Accept); err != nil {
		t.Fatal(err)
	}
	return n
}

// A node that is killed leaves the peers behind that it had two seconds after
// its first link.
func TestKnownPeersAreWrittenSoon(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var network mem.Network
		a := startInMemory(t, &network, "a", Config{})
		b := startInMemory(t, &network, "b", Config{StateDir: dir, Bootstrap: []string{"ws://a:1"}})
		ready(t, b)
		time.Sleep(limits.KnownPeersFirst + time.Second) // in virtual time
		synctest.Wait()
		got, err := readKnownPeers(filepath.Join(dir, knownPeersFile), time.Now())
		if err != nil || len(got) != 1 || got[0].ID != a.ID() || !slices.Equal(got[0].URLs, []string{"ws://a:1"}) || got[0].Record == nil {
			t.Errorf("got %v, %v, want %s with its URL and record", got, err, a.ID().Short())
		}
	})
}
