package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

func startNode(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// listen starts a server of a private node.
func listen(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Node == nil {
		cfg.Node = startNode(t, node.Config{})
	}
	s, err := Listen("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ask makes one request to h as a local program would.
func ask(h http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:9090"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func host(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

var paths = []string{"/", "/page.js", "/page.css", "/status.json", "/metrics", "/healthz", "/log-level", "/debug/pprof/", "/debug/pprof/heap"}

func newHandler(t *testing.T) http.Handler {
	return NewHandler(Config{Node: startNode(t, node.Config{}), Version: "1.2.3", Level: new(slog.LevelVar)})
}

func TestWhoMayAsk(t *testing.T) {
	h := newHandler(t)
	for _, local := range []string{"127.0.0.1", "127.0.0.1:80", "localhost:1", "localhost", "LOCALHOST:1", "localhost.", "Localhost.:80", "[::1]:80", "[::1]", "127.8.0.1:9", "[::ffff:127.0.0.1]:1"} {
		if got := ask(h, "GET", "/status.json", "", host(local)); got.Code != 200 {
			t.Errorf("host %s: got %d %s, want 200", local, got.Code, got.Body)
		}
	}
	for _, foreign := range []string{"evil.test", "evil.test:9090", "10.0.0.1:9090", "localhost.evil.test", "localhost..", ".", "127.0.0.1.evil.test", "", "0.0.0.0", "[::]:1", "<script>"} {
		for _, path := range paths {
			got := ask(h, "GET", path, "", host(foreign))
			if got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "is not this machine") {
				t.Errorf("host %q, %s: got %d %s, want 403 that says why", foreign, path, got.Code, got.Body)
			}
		}
	}
}

func TestOtherSitesGetThePageAlone(t *testing.T) {
	h := newHandler(t)
	for _, from := range []string{"cross-site", "same-site"} {
		for _, path := range paths {
			want := http.StatusForbidden
			if path == "/" {
				want = http.StatusOK
			}
			if got := ask(h, "GET", path, "", header("Sec-Fetch-Site", from)); got.Code != want {
				t.Errorf("%s from %s: got %d, want %d", path, from, got.Code, want)
			}
		}
	}
	for _, from := range []string{"same-origin", "none"} {
		if got := ask(h, "GET", "/status.json", "", header("Sec-Fetch-Site", from)); got.Code != http.StatusOK {
			t.Errorf("from %s: got %d, want 200", from, got.Code)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	h := newHandler(t)
	for _, path := range paths {
		if got := ask(h, "GET", path, ""); got.Code != http.StatusOK {
			t.Errorf("GET %s: got %d %s, want 200", path, got.Code, got.Body)
		}
		if got := ask(h, "DELETE", path, ""); got.Code != http.StatusMethodNotAllowed || !strings.Contains(got.Header().Get("Allow"), "GET") {
			t.Errorf("DELETE %s: got %d, Allow %q, want 405 and GET", path, got.Code, got.Header().Get("Allow"))
		}
	}
	if got := ask(h, "GET", "/assets/index.html", ""); got.Code != http.StatusNotFound {
		t.Errorf("another path: got %d, want 404", got.Code)
	}
}

func TestHealthOfANodeWithoutAPort(t *testing.T) {
	n := startNode(t, node.Config{})
	h := NewHandler(Config{Node: n})
	upgrade := func(r *http.Request) {
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "peermesh.2"} {
			r.Header.Set(name, value)
		}
	}
	for name, change := range map[string]func(*http.Request){"plain": func(*http.Request) {}, "an upgrade": upgrade} {
		if got := ask(h, "GET", "/healthz", "", change); got.Code != 200 || got.Body.String() != "ok\n" {
			t.Errorf("%s: got %d %q, want ok", name, got.Code, got.Body)
		}
	}
	n.Close()
	if got := ask(h, "GET", "/healthz", ""); got.Code != http.StatusServiceUnavailable {
		t.Errorf("once it has ended: got %d, want 503", got.Code)
	}
}

func TestLogLevel(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
	h := NewHandler(Config{Node: startNode(t, node.Config{}), Level: level})
	for _, test := range []struct {
		name, body string
		header     bool
		status     int
		want       slog.Level
	}{
		{"without the header", "debug", false, 403, slog.LevelInfo},
		{"no level", "loud", true, 400, slog.LevelInfo},
		{"nothing", "", true, 400, slog.LevelInfo},
		{"too long", strings.Repeat("d", limits.AdminBody+1), true, 400, slog.LevelInfo},
		{"debug", "debug\n", true, 200, slog.LevelDebug},
		{"WARN", "WARN", true, 200, slog.LevelWarn},
	} {
		changes := []func(*http.Request){}
		if test.header {
			changes = append(changes, header(Header, "1"))
		}
		got := ask(h, "PUT", "/log-level", test.body, changes...)
		if got.Code != test.status || level.Level() != test.want {
			t.Errorf("%s: got %d %s, level %v, want %d, %v", test.name, got.Code, got.Body, level, test.status, test.want)
		}
	}
	if got := ask(h, "GET", "/log-level", "").Body.String(); got != `{"v":1,"level":"warn"}`+"\n" {
		t.Errorf("got %s, want the level warn", got)
	}
	log.Info("not this")
	log.Warn("but this")
	if got := out.String(); strings.Contains(got, "not this") || !strings.Contains(got, "but this") {
		t.Errorf("log: got %q, want the warning alone", got)
	}
}

func TestOnlyLoopback(t *testing.T) {
	n := startNode(t, node.Config{})
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1", ""} {
		if s, err := Listen(addr, Config{Node: n}); err == nil {
			s.Close()
			t.Errorf("Listen(%q): got a listener, want an error", addr)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		s, err := Listen(addr, Config{Node: n})
		if err != nil {
			t.Errorf("Listen(%q): %v", addr, err)
			continue
		}
		s.Close()
	}
}

// Connections that send nothing whole keep nobody from asking, and whoever asks
// learns of them.
func TestSlowConnectionsKeepNobodyOut(t *testing.T) {
	s := listen(t, Config{})
	at := strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/")
	const beyond = 8
	for range limits.AdminConns + beyond {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / ")
	}
	client, err := NewClient(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got, err := client.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if hits := got.LimitsHit[connectionsLimit]; hits < beyond || got.LimitsHitAt[connectionsLimit].IsZero() {
		t.Errorf("got %v, want %d and more of %s", got.LimitsHit, beyond, connectionsLimit)
	}
	if i := slices.IndexFunc(got.Limits, func(l node.LimitUse) bool { return l.Name == connectionsLimit }); i < 0 || got.Limits[i].Max != limits.AdminConns {
		t.Errorf("got %v, want %s of %d", got.Limits, connectionsLimit, limits.AdminConns)
	}
}

func TestTenThousandRequests(t *testing.T) {
	s := listen(t, Config{Level: new(slog.LevelVar)})
	at := strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/")
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const count = 10_000
	_ = c.SetDeadline(time.Now().Add(90 * time.Second))
	go func() {
		for i := range count {
			path, name := []string{"/", "/status.json", "/log-level", "/none"}[i%4], at
			if i%8 == 1 {
				name = "evil.test"
			}
			last := ""
			if i == count-1 {
				last = "Connection: close\r\n"
			}
			_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, name, last)
		}
	}()
	all, err := io.ReadAll(c)
	if got := bytes.Count(all, []byte("HTTP/1.1 ")); err != nil || got != count {
		t.Errorf("answers: got %d, %v, want %d", got, err, count)
	}
}

// sample is a status with every field set.
func sample() Status {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	a, b := routing.ID{0xa4, 0x1c, 19: 1}, routing.ID{0x9c, 0x55, 19: 2}
	return Status{
		Status: node.Status{
			V: 1, ID: a, Uptime: time.Minute, Leaf: true, URLs: []string{"ws://127.0.0.1:8080"},
			Peers: []node.PeerInfo{{
				ID: b, Leaf: true, Transport: "ws", Outbound: true, Address: "127.0.0.1:9", Agent: "peermesh/1.2.3", RTT: time.Millisecond,
				Since: at, Suspect: true, RxBytes: 1, TxBytes: 2, RxFrames: 3, TxFrames: 4, Queued: 5, QueueFill: 0.5, Age: time.Second, Bucket: 6,
				Slow: true, LineRate: 8, LineBase: 9, LineLimit: 10, Congestion: "bbr",
			}},
			Bootstraps:  []node.BootstrapInfo{{URL: "ws://127.0.0.1:8081", Linked: true, Peer: b, Attempts: 2, Stage: "connect", Reason: "nobody-listens", LastError: "refused", NextTry: at}},
			SessionList: []node.SessionInfo{{ID: b, State: "up", Linked: true, Initiator: true, Age: 1, Idle: 2, RTT: 3, Waiting: 4, Window: 5, InFlight: 6, Rate: 7, Base: 8, Marked: 9}},
			Sessions:    3, Ports: []uint16{7}, Forwarded: 8, Delivered: 9,
			Drops: map[string]uint64{"no-route": 1, "queue-full": 2}, DropsMoot: map[string]uint64{"no-route": 1}, LimitsHit: map[string]uint64{"queue-full": 2}, LimitsHitAt: map[string]time.Time{"queue-full": time.Unix(1_700_000_000, 0).UTC()},
			Limits: []node.LimitUse{{Name: "sessions", Used: 3, Max: 4096}}, Attached: true, Settled: true, Homes: []routing.ID{b},
			Table: []node.BucketInfo{{Bucket: 6, Links: 1}}, Traffic: []node.Traffic{{Transport: "ws", RxBytes: 1, TxBytes: 2, RxFrames: 3, TxFrames: 4}},
			NetworkChanges: 2, NetworkChange: "gone: 10.0.0.1", NetworkChangeAt: at,
			Dials: node.Dials{Linked: 1, Failed: 2}, Overload: node.Overload{Marked: 1, Unsent: 2}, Upkeep: node.Upkeep{MeshFrames: 1, LinkFrames: 2, Pings: 3},
			Hops:         []node.HopsInfo{{Hops: 2, Frames: 9}},
			ForwardTimes: node.Times{Count: 1, Total: 900, Buckets: []node.TimeBucket{{AtMost: time.Microsecond, Count: 1}, {Count: 2}}},
			SignalTimes:  node.Times{Count: 1, Total: 5, Buckets: []node.TimeBucket{{AtMost: time.Millisecond, Count: 1}}},
		},
		Version: "1.2.3", Commit: "abc", Go: "go1.26", PID: 42, LogLevel: "warn",
		Health: []Health{{Level: "warn", Text: "no link is up", Hint: "see the errors"}},
	}
}

func TestStatusIsGolden(t *testing.T) {
	got, err := json.MarshalIndent(sample(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "status.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the shape of /status.json: got\n%s, %v, want\n%s\n(go test -update writes it anew; a field that goes or changes its meaning needs a new \"v\")", got, err, want)
	}
}

// What is served has the golden file's fields, and what is served can be read.
func TestStatusOverHTTP(t *testing.T) {
	n := startNode(t, node.Config{Listen: "127.0.0.1:0"})
	leaf := startNode(t, node.Config{Leaf: true, Bootstrap: n.URLs()})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := leaf.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	s := listen(t, Config{Node: n, Version: "1.2.3", Level: new(slog.LevelVar)})
	c, err := NewClient(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != n.ID() || got.V != 1 || got.Status.V != 1 || got.Version != "1.2.3" || got.PID != os.Getpid() || got.LogLevel != "info" ||
		len(got.Peers) != 1 || got.Peers[0].ID != leaf.ID() || !got.Peers[0].Leaf || got.Peers[0].Transport != "ws" || got.Peers[0].Outbound {
		t.Errorf("got %+v, want the node with its leaf", got)
	}
}
