package admin

import (
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
)

// Header must be in a request that changes something, with any value.
const Header = "X-Peermesh-Admin"

// Version is the "v" of what is served. It changes when a field changes its
// meaning or goes; new fields may come at any time.
const Version = 1

// Status is what /status.json says: a picture of the node and of its process.
type Status struct {
	node.Status
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	PID      int    `json:"pid"`
	LogLevel string `json:"logLevel,omitempty"`
	// Health is what there is to know, the gravest first; empty: all is well.
	Health []Health `json:"health"`
}

//go:embed assets
var assets embed.FS

// types are the content types of the assets. Nothing but this listener is
// asked by the page.
var types = map[string]string{
	"index.html": "text/html; charset=utf-8",
	"page.js":    "text/javascript; charset=utf-8",
	"page.css":   "text/css; charset=utf-8",
}

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"

// NewHandler returns what a [Server] serves.
func NewHandler(cfg Config) http.Handler {
	a := &handler{cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", asset("index.html"))
	mux.HandleFunc("GET /page.js", asset("page.js"))
	mux.HandleFunc("GET /page.css", asset("page.css"))
	mux.HandleFunc("GET /status.json", a.status)
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.healthz)
	mux.Handle("GET /metrics", metricsHandler(cfg))
	mux.HandleFunc("GET /log-level", a.level)
	mux.HandleFunc("PUT /log-level", a.setLevel)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return onlyLocal(mux)
}

type handler struct{ Config }

// onlyLocal lets through what may ask; see the package's comment.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", policy)
		r.Body = http.MaxBytesReader(w, r.Body, limits.AdminBody)
		if !isLoopback(hostOf(r)) {
			refuse(w, fmt.Sprintf("the host %q is not this machine: ask for http://127.0.0.1 or http://localhost with the port of this page.", r.Host))
			return
		}
		if from := r.Header.Get("Sec-Fetch-Site"); (from == "cross-site" || from == "same-site") && r.URL.Path != "/" {
			refuse(w, "another site sent your browser here: open / instead.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, why string) { http.Error(w, "refused: "+why, http.StatusForbidden) }

// hostOf is the host that a request names, without port and brackets.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func asset(name string) http.HandlerFunc {
	text, err := assets.ReadFile("assets/" + name)
	return func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", types[name])
		_, _ = w.Write(text)
	}
}

func (a *handler) status(w http.ResponseWriter, _ *http.Request) {
	s := Status{
		Status: a.picture(), Version: a.Version, Commit: a.Commit, Go: runtime.Version(), PID: os.Getpid(),
	}
	s.V, s.Health = Version, health(&s.Status, time.Now())
	if a.Level != nil {
		s.LogLevel = levelName(a.Level)
	}
	writeJSON(w, s)
}

// healthz is the same as on the public port, which not every node has. No link is
// accepted here.
func (a *handler) healthz(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"Upgrade", "Sec-WebSocket-Protocol"} {
		r.Header.Del(name)
	}
	a.Node.ServeHTTP(w, r)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // who asked may be gone
}

// levelLine is what /log-level says.
type levelLine struct {
	V     int    `json:"v"`
	Level string `json:"level"`
}

func levelName(l *slog.LevelVar) string { return strings.ToLower(l.Level().String()) }

func (a *handler) level(w http.ResponseWriter, _ *http.Request) {
	if a.Level == nil {
		http.Error(w, "this program's log has no level that can be asked for", http.StatusNotFound)
		return
	}
	writeJSON(w, levelLine{Version, levelName(a.Level)})
}

func (a *handler) setLevel(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(Header) == "" {
		refuse(w, "send the header "+Header+": 1, which no page of another site can send.")
		return
	}
	text, err := io.ReadAll(r.Body)
	var level slog.Level
	if err != nil || level.UnmarshalText([]byte(strings.TrimSpace(string(text)))) != nil {
		http.Error(w, "want one of debug, info, warn, error", http.StatusBadRequest)
		return
	}
	if a.Level != nil {
		a.Level.Set(level)
	}
	a.level(w, r)
}
