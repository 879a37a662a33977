package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
)

// findings runs doctor with --json and returns what it found.
func findings(t *testing.T, code int, args ...string) []finding {
	t.Helper()
	r := runOnce(t, "", append([]string{"doctor", "--json"}, args...)...)
	r.wantCode(t, code)
	var all []finding
	for line := range strings.Lines(r.out) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.V != 1 || f.Detail == "" {
			t.Fatalf("got %q, want a finding of version 1: %v", line, err)
		}
		all = append(all, f)
	}
	return all
}

// found is the finding about a subject, or the check's only one.
func found(t *testing.T, all []finding, check, subject string) finding {
	t.Helper()
	i := slices.IndexFunc(all, func(f finding) bool {
		return f.Check == check && (subject == "" || f.Subject == subject)
	})
	if i < 0 {
		t.Fatalf("got %+v, want a finding of %s %s", all, check, subject)
	}
	return all[i]
}

func wantFinding(t *testing.T, f finding, v verdict, detail string) {
	t.Helper()
	if f.Verdict != v || !strings.Contains(f.Detail, detail) {
		t.Errorf("got %+v, want %s and %q", f, v, detail)
	}
	if f.Verdict != verdictOK && f.Hint == "" {
		t.Errorf("got %+v, want a hint", f)
	}
}

func TestDoctorInAMesh(t *testing.T) {
	_, first, firstURL := startNode(t)
	second, secondID, secondURL := startNode(t, "--bootstrap", firstURL)
	second.event(t, "peer-up")
	dir := filepath.Join(t.TempDir(), "state")
	runOnce(t, "", "id", "--state", dir).wantCode(t, exitOK)

	all := findings(t, exitOK, "--host", loopback, "--port", "0", "--state", dir, "--bootstrap", firstURL, secondURL, secondID,
		strings.Replace(secondURL, "ws://", "http://", 1))
	wantFinding(t, found(t, all, "listen", ""), verdictOK, "served")
	wantFinding(t, found(t, all, "state", dir), verdictOK, "writable; the key is private; ID ")
	wantFinding(t, found(t, all, "limits", ""), found(t, all, "limits", "").Verdict, "1800 needed")
	wantFinding(t, found(t, all, "clock", ""), verdictOK, "within 1s")
	wantFinding(t, found(t, all, "reach", ""), verdictOK, "peer "+secondID[:8]+" dialled this node")
	wantFinding(t, found(t, all, "node", secondID), verdictOK, "a direct link works")
	wantFinding(t, found(t, all, "url", secondURL), verdictOK, secondID)
	wantFinding(t, found(t, all, "url", strings.Replace(secondURL, "ws://", "http://", 1)), verdictOK, "answers /healthz")
	joined := found(t, all, "bootstrap", firstURL)
	wantFinding(t, joined, verdictOK, first+" (peermesh/"+version+")")
	if want := []string{"tcp", "ws", "hello"}; !slices.Equal(stageNames(joined), want) {
		t.Errorf("stages: got %+v, want %q", joined.Stages, want)
	}
}

func stageNames(f finding) []string {
	var names []string
	for _, s := range f.Stages {
		names = append(names, s.Stage)
	}
	return names
}

func TestDoctorSaysAtWhichStage(t *testing.T) {
	_, id, url := startNode(t)
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	nobody := strings.Repeat("0", 39) + "1"
	page := strings.Replace(web.URL, "http://", "ws://", 1)
	urls := map[string]string{ // to the stage
		"ws://127.0.0.1:1": "connect", "ws://nowhere.invalid:80": "resolve", strings.Replace(url, "ws://", "wss://", 1): "tls",
		page: "upgrade", url + "#" + nobody: "handshake",
	}
	args := []string{"-b", url, nobody, web.URL}
	for u := range urls {
		args = append(args, "-b", u)
	}
	began := time.Now()
	all := findings(t, exitError, args...)
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("got the end after %v, want no waiting for what has failed", took)
	}
	for u, stage := range urls {
		f := found(t, all, "bootstrap", u)
		wantFinding(t, f, verdictFail, "")
		if f.Stage != stage {
			t.Errorf("%s: got stage %q, want %q", u, f.Stage, stage)
		}
	}
	wantFinding(t, found(t, all, "bootstrap", url), verdictOK, id)
	dead := found(t, all, "node", nobody)
	wantFinding(t, dead, verdictFail, "no route")
	if dead.Stage != "ping" {
		t.Errorf("a dead ID: got stage %q, want ping", dead.Stage)
	}
	wantFinding(t, found(t, all, "url", web.URL), verdictFail, "404 Not Found, and not the answer of a node")

	all = findings(t, exitError, "--host", loopback, "--port", "0", "-b", "ws://127.0.0.1:1", id)
	wantFinding(t, found(t, all, "reach", ""), verdictFail, "no bootstrap URL leads into the mesh")
	if f := found(t, all, "node", id); f.Stage != "join" {
		t.Errorf("no way into the mesh: got %+v, want stage join", f)
	}
}

func TestDoctorOfATakenPort(t *testing.T) {
	_, id, url := startNode(t)
	port := url[strings.LastIndex(url, ":")+1:]
	all := findings(t, exitOK, "--host", loopback, "--port", port, "-b", url)
	wantFinding(t, found(t, all, "listen", ""), verdictOK, "a node runs there already")
	wantFinding(t, found(t, all, "url", url), verdictOK, "loopback")
	wantFinding(t, found(t, all, "reach", ""), verdictUnknown, "the mesh has no second relay")
	second, _, secondURL := startNode(t, "--bootstrap", url)
	second.event(t, "peer-up")
	for _, bootstrap := range []string{url, secondURL} { // by itself, and by whom it is linked with
		third, _, _ := startNode(t, "--bootstrap", url)
		third.event(t, "peer-up")
		all = findings(t, exitOK, "--host", loopback, "--port", port, "-b", bootstrap)
		wantFinding(t, found(t, all, "reach", ""), verdictOK, "dialled the port and met a node; from here that is "+id[:8])
	}
	all = findings(t, exitOK, "--host", loopback, "--port", port, "--public-url", "ws://127.0.0.1:1", "-b", secondURL)
	wantFinding(t, found(t, all, "reach", ""), verdictWarn, "could dial this node")

	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	_, other, _ := net.SplitHostPort(web.Listener.Addr().String())
	all = findings(t, exitError, "--host", loopback, "--port", other)
	wantFinding(t, found(t, all, "listen", ""), verdictFail, "address already in use")

	all = findings(t, exitError, "--host", "203.0.113.5", "--port", "0", "-b", url)
	wantFinding(t, found(t, all, "listen", ""), verdictFail, "cannot assign requested address")
	wantFinding(t, found(t, all, "reach", ""), verdictUnknown, "no node serves on the port")
}

func TestDoctorAsHealthCheck(t *testing.T) {
	node, _, url := startNode(t)
	port := url[strings.LastIndex(url, ":")+1:]
	all := findings(t, exitOK, "--running", "--host", loopback, "--port", port)
	if len(all) != 1 {
		t.Errorf("got %+v, want one finding", all)
	}
	wantFinding(t, found(t, all, "running", ""), verdictOK, "answers /healthz")
	for _, env := range [][]string{{"PORT=" + port}, {"PORT=" + port, "PEERMESH_PORT="}, {"PORT=1", "PEERMESH_PORT=" + port}} {
		cmd := program(t, "doctor", "--running")
		cmd.Env = append(cmd.Env, env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("with %q: got %v\n%s", env, err, out)
		}
	}
	node.stop(t, os.Interrupt).wantCode(t, exitInterrupted)
	all = findings(t, exitError, "--running", "--host", loopback, "--port", port)
	wantFinding(t, found(t, all, "running", ""), verdictFail, "connection refused")
	runOnce(t, "", "doctor", "--running").wantCode(t, exitUsage, "--running needs --port")
}

func TestDoctorOfAPortThatNobodyReaches(t *testing.T) {
	_, _, firstURL := startNode(t)
	second, _, _ := startNode(t, "--bootstrap", firstURL)
	second.event(t, "peer-up")
	all := findings(t, exitOK, "--host", loopback, "--port", "0", "--public-url", "ws://127.0.0.1:1", "-b", firstURL)
	wantFinding(t, found(t, all, "url", "ws://127.0.0.1:1"), verdictWarn, "connection refused")
	wantFinding(t, found(t, all, "reach", ""), verdictWarn, "no peer of 1 could dial this node")

	all = findings(t, exitOK)
	wantFinding(t, found(t, all, "bootstrap", ""), verdictWarn, "none, and no port")
	wantFinding(t, found(t, all, "reach", ""), verdictWarn, "this node is alone")
	wantFinding(t, found(t, all, "state", ""), verdictWarn, "none")
	wantFinding(t, found(t, all, "clock", ""), verdictUnknown, "nobody")
}

func TestDoctorOfTheState(t *testing.T) {
	dir := t.TempDir()
	runOnce(t, "", "id", "--state", dir).wantCode(t, exitOK)
	key := filepath.Join(dir, identity.KeyFileName)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	all := findings(t, exitError, "--state", dir)
	wantFinding(t, found(t, all, "state", dir), verdictFail, "lets others at the secret key")
	wantFinding(t, found(t, findings(t, exitError, "--state", key), "state", key), verdictFail, "not a directory")

	missing := filepath.Join(dir, "a", "b")
	wantFinding(t, found(t, findings(t, exitOK, "--state", missing), "state", missing), verdictOK, "not there yet")
	if _, err := os.Stat(missing); err == nil {
		t.Error("the state directory: got one that doctor made")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "doctor-*")); len(left) > 0 {
		t.Errorf("got %q left behind", left)
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	now := clockFloor.Add(time.Hour)
	for _, test := range []struct {
		name     string
		now      time.Time
		behind   time.Duration
		compared bool
		want     verdict
		detail   string
	}{
		{"right", now, 0, true, verdictOK, "within 1s"},
		{"behind", now, time.Minute, true, verdictWarn, "this clock is 1m0s behind that at a bootstrap URL"},
		{"far ahead", now, -time.Hour, true, verdictFail, "this clock is 1h0m0s ahead of that at a bootstrap URL"},
		{"years behind", time.Unix(0, 0), 55 * 366 * 24 * time.Hour, true, verdictFail, "this clock is 55 years behind that"},
		{"nobody to ask", now, 0, false, verdictUnknown, "nobody to compare it with"},
		{"nobody to ask in 1970", time.Unix(0, 0), 0, false, verdictFail, "this clock is at least 56 years behind: it says 1970-01-01T00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantFinding(t, clockFinding(test.now, test.behind, test.compared), test.want, test.detail)
		})
	}
}

// A clock is compared with whatever answers at a URL, over TLS also where the
// certificate does not hold, and nothing of the URL is sent but its host.
func TestDoctorReadsTheDate(t *testing.T) {
	const ahead = 10 * time.Minute
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.URL.RawQuery != "" {
			t.Errorf("got the request %v, want nothing of the URL in it", r)
		}
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	})
	plain, secure := httptest.NewServer(late), httptest.NewTLSServer(late)
	defer plain.Close()
	defer secure.Close()
	for _, web := range []*httptest.Server{plain, secure} {
		p := &patient{patience: patience}
		url := strings.Replace(strings.Replace(web.URL, "http", "ws", 1), "://", "://me:pw@", 1) + "/?token=x#pin"
		got, ok := p.askClock(t.Context(), url)
		if off := (got - ahead).Abs(); !ok || off > 10*time.Second {
			t.Errorf("got %v, %v, want %v", got, ok, ahead)
		}
	}
}

// The clock check fails by what a URL tells that no link came up by.
func TestDoctorFailsAWrongClock(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer web.Close()
	all := findings(t, exitError, "-b", strings.Replace(web.URL, "http", "ws", 1))
	wantFinding(t, found(t, all, "clock", ""), verdictFail, "ahead of that at a bootstrap URL")
}

func TestScopesOfURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://127.0.0.1:1": "loopback", "ws://[::1]:1": "loopback", "ws://localhost:1": "loopback", "ws://[::ffff:127.0.0.1]:1": "loopback",
		"ws://10.0.0.1:1": "private", "ws://[fd00::1]:1": "private", "ws://[fe80::1]:1": "link-local", "wss://8.8.8.8": "public",
		"wss://mesh.example.org": "name", "::": "unknown",
	} {
		if got := scopeOf(raw); got != want || scopeWords[got] == "" {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestDoctorInWords(t *testing.T) {
	var b strings.Builder
	tell := findingText(&b)
	_ = tell(finding{Verdict: verdictOK, Check: "bootstrap", Subject: "ws://a", Detail: "x", Stages: []stageTime{{"tcp", 0.25}, {"ws", 1}}})
	_ = tell(finding{Verdict: verdictFail, Check: "url", Stage: "tls", Detail: "bad\x1b", Hint: "mend it"})
	want := "ok       bootstrap  ws://a  x  tcp 0.2 ms, ws 1.0 ms\nfail     url        \"tls: bad\\x1b\"  hint: mend it\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
