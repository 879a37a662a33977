package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// marker is the secret that no exit may show.
const marker = "S3CRETMARKER"

// wantNoMarker looks for the secret in what an exit gave.
func wantNoMarker(t *testing.T, exit, text string) {
	t.Helper()
	if i := strings.Index(strings.ToUpper(text), marker); i >= 0 {
		t.Errorf("%s: got the secret in %q", exit, text[max(0, i-80):min(len(text), i+80)])
	}
}

// withSecrets are forms of a URL that hold the marker: a password, a token as the
// user, a query, and all of them.
func withSecrets(url string) []string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, path, _ := strings.Cut(rest, "/")
	return []string{
		scheme + "://alice:" + marker + "@" + rest,
		scheme + "://" + marker + "@" + rest,
		strings.ToUpper(scheme) + "://" + host + "/" + path + "?token=" + marker,
		scheme + "://alice:x" + marker + "@" + host + "/" + path + "?" + marker + "&key=" + marker,
	}
}

// failing are URLs, one for each stage at which a dial can end.
func failing(t *testing.T, node string) []string {
	t.Helper()
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere/x?again="+marker, http.StatusMovedPermanently)
	}))
	t.Cleanup(moved.Close)
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(denied.Close)
	ws := func(s *httptest.Server) string { return strings.Replace(s.URL, "http://", "ws://", 1) }
	all := []string{ // parse apart: those keep a node from starting
		"ws://nowhere.invalid:80", "ws://127.0.0.1:1", strings.Replace(node, "ws://", "wss://", 1), ws(moved), ws(denied),
	}
	var urls []string
	for _, u := range all {
		urls = append(urls, withSecrets(u)...)
	}
	return append(urls, withSecrets(node)[0]+"#"+strings.Repeat("0", 39)+"1") // handshake
}

// Whatever a program prints, no secret of a URL or of an ICE server is in it.
func TestNoExitShowsASecret(t *testing.T) {
	_, _, url := startNode(t)
	args := []string{"--log-level", "debug"}
	for _, u := range failing(t, url) {
		args = append(args, "-b", u)
	}
	args = append(args, "-b", withSecrets(url)[0], "-b", withSecrets(url)[2],
		"--ice", "turn:alice:"+marker+"@127.0.0.1:1", "--ice", "turn:1796099645%3Aalice:pw"+marker+"@127.0.0.1:1")

	var talk lockedBuffer
	cmd := program(t, append([]string{"--host", loopback, "--port", "0", "--json", "--admin", "127.0.0.1:0"}, args...)...)
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	// All that was tried has failed once, and is told.
	await(t, func() bool {
		text := talk.String()
		for _, stage := range []string{"resolve", "connect", "tls", "upgrade", "handshake"} {
			if !strings.Contains(text, "stage="+stage) {
				return false
			}
		}
		return strings.Contains(text, `"event":"ready"`)
	})
	wantNoMarker(t, "events and log", talk.String())

	_, page, _ := strings.Cut(talk.String(), `"admin":"`)
	page, _, _ = strings.Cut(page, `"`)
	for _, path := range []string{"", "status.json", "metrics", "debug/pprof/cmdline", "debug/pprof/goroutine?debug=2"} {
		resp, err := http.Get(page + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		wantNoMarker(t, "/"+path, string(body))
	}
	for _, command := range [][]string{{"status"}, {"status", "--json"}, {"peers"}, {"peers", "--json"}, {"top", "--count", "1", "--interval", "20ms"}} {
		r := runOnce(t, "", append(command, "--admin", page)...)
		wantNoMarker(t, strings.Join(command, " "), r.out+r.err)
	}
	for _, command := range [][]string{{"doctor"}, {"doctor", "--json"}} {
		targets := withSecrets("http://127.0.0.1:1")
		r := runOnce(t, "", append(append(append(command, args...), "--timeout", "5s"), targets...)...)
		r.wantCode(t, exitError)
		wantNoMarker(t, strings.Join(command, " "), r.out+r.err)
	}
	for _, command := range [][]string{{"config", "show"}, {"config", "show", "--json"}, {"config", "check"}} {
		r := runOnce(t, "", append([]string{command[0]}, append(args, command[1:]...)...)...)
		wantNoMarker(t, strings.Join(command, " "), r.out+r.err)
	}
}

// An error about a URL that is none must not repeat what is wrong with it.
func TestNoMistakeShowsASecret(t *testing.T) {
	_, _, url := startNode(t)
	wrong := []string{
		"ws://alice:a/" + marker + "@host", "ws://alice:12#" + marker + "@host", "ws://alice:" + marker + "%zz@host:80",
		"ws://alice:a " + marker + "@host:80", "alice:" + marker + "@host:80", marker + ":x@host:80", "WS:alice:" + marker + "@host",
		"ws://alice:" + marker, "ftp://alice:" + marker + "@host", "ws://alice:" + marker + "@host:99999", "ws://alice:" + marker + "@[::1",
		"ws://alice:" + marker + "@host#" + marker, "ws://alice:" + marker + "\x01@host",
	}
	ice := []string{
		"turn:alice:" + marker, "turn:alice:" + marker + "@", "TURN:alice:" + marker + "@host", marker + "@host", "turn:" + marker + "@host",
		"turn:alice:" + marker + "@ho st", "turn:alice:" + marker + "@host:99999", "turn:alice:" + marker + "@host?transport=" + marker,
		"turn:alice:" + marker + "%40host", "turn://alice:" + marker + "@host",
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	var all [][]string
	for _, w := range wrong {
		all = append(all, []string{"-b", w}, []string{"config", "-b", w, "check"}, []string{"send", "-b", w, strings.Repeat("1", 40), "x"},
			[]string{"doctor", w}, []string{"doctor", "-b", w}, []string{"--port", "0", "--public-url", w}, []string{"doctor", "--json", "-b", url, w},
			[]string{"status", "--admin", strings.Replace(w, "ws://", "http://", 1)}, []string{"bench", "-b", w, strings.Repeat("1", 40)})
	}
	for _, w := range ice {
		all = append(all, []string{"-b", url, "--ice", w + "\x01"}, []string{"config", "--ice", w, "show"}, []string{"config", "--ice", w, "check"})
	}
	for _, w := range []string{wrong[0], wrong[3], wrong[8]} {
		if err := os.WriteFile(file, fmt.Appendf(nil, "bootstrap = [%q]\nice = [%q]\n", w, ice[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, []string{"config", "check", file}, []string{"config", "--config", file, "show"}, []string{"--config", file})
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, args := range all {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			cmd := program(t, args...)
			out, _ := cmd.CombinedOutput()
			wantNoMarker(t, fmt.Sprintf("%q", args), string(out))
		})
	}
	running.Wait()
}

// await waits for a condition with patience.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

// lockedBuffer is what a process writes, to be read meanwhile.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
