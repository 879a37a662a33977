package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/routing"
)

// adminOf starts a node and returns it with its ID, URL and admin page.
func adminOf(t *testing.T, args ...string) (p *process, id, url, page string) {
	t.Helper()
	p = start(t, append([]string{"--host", loopback, "--port", "0", "--json"}, args...)...)
	ready := p.next(t)
	page, _ = ready["admin"].(string)
	urls, _ := ready["urls"].([]any)
	if ready["event"] != "ready" || len(urls) != 1 {
		t.Fatalf("first line: got %v, want the event ready with one URL", ready)
	}
	return p, ready["id"].(string), urls[0].(string), page
}

func TestLookAtTheOneNode(t *testing.T) {
	p, id, url, page := adminOf(t)
	_, leaf := startListener(t, url)

	r := runOnce(t, "", "status")
	r.wantCode(t, exitOK)
	for _, want := range []string{id + "  relay, peermesh " + version, "url        " + url, "0 with relays, 1 with leaves", "ok    nothing is wrong"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("status: got\n%swant %q in it", r.out, want)
		}
	}
	var s admin.Status
	r = runOnce(t, "", "status", "--json", "--admin", page)
	r.wantCode(t, exitOK)
	if err := json.Unmarshal([]byte(r.out), &s); err != nil || s.V != 1 || s.ID.String() != id || s.PID != p.cmd.Process.Pid || strings.Count(r.out, "\n") != 1 {
		t.Errorf("status --json: got %s, %v, want the node on one line", r.out, err)
	}

	r = runOnce(t, "", "peers", "--full")
	r.wantCode(t, exitOK)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "PEER\tVIA\tDIR\tROLE\t") || !strings.HasPrefix(lines[1], leaf+"\tws\tin\tleaf\t") {
		t.Errorf("peers: got\n%swant a head and the leaf, separated by tabs", r.out)
	}
	if r = runOnce(t, "", "peers"); !strings.Contains(r.out, "\n"+leaf[:8]+"\t") {
		t.Errorf("peers: got\n%swant 8 digits of %s", r.out, leaf)
	}

	r = runOnce(t, "", "top", "--count", "2", "--interval", "20ms")
	r.wantCode(t, exitOK)
	if strings.Count(r.out, "frames/s ") != 2 || !strings.Contains(r.out, leaf[:8]+"\tws") || strings.Contains(r.out, "\x1b") {
		t.Errorf("top: got %q, want two plain snapshots with the leaf", r.out)
	}

	if r := p.stop(t, os.Interrupt); r.code != exitInterrupted {
		t.Errorf("exit code after a signal: got %d, want %d", r.code, exitInterrupted)
	}
	if left, _ := os.ReadDir(filepath.Join(runtimeDir(t), "peermesh")); len(left) != 0 {
		t.Errorf("runtime files after the end: got %v, want none", left)
	}
	runOnce(t, "", "status").wantCode(t, exitNoNode, "no running node found")
	runOnce(t, "", "status", "--admin", page).wantCode(t, exitNoNode, "no running node answers there")
}

func TestLookAtOneOfTwoNodes(t *testing.T) {
	a, idA, _, _ := adminOf(t)
	_, idB, _, pageB := adminOf(t)
	r := runOnce(t, "", "status")
	r.wantCode(t, exitUsage, "2 nodes run here: say which one", "--id "+idA[:8], "--id "+idB[:8], pageB)
	if r.out != "" {
		t.Errorf("standard output: got %q, want nothing", r.out)
	}
	for _, args := range [][]string{{"status", "--id", idB[:8]}, {"status", "--id", strings.ToUpper(idB)}, {"status", "--admin", pageB}} {
		if r := runOnce(t, "", args...); r.code != exitOK || !strings.HasPrefix(r.out, idB) {
			t.Errorf("%v: got %d %s%s, want the second node", args, r.code, r.out, r.err)
		}
	}
	a.kill() // without a goodbye: its file stays
	if r := runOnce(t, "", "status"); r.code != exitOK || !strings.HasPrefix(r.out, idB) {
		t.Errorf("after the first was killed: got %d %s%s, want the second node", r.code, r.out, r.err)
	}
	if left, _ := os.ReadDir(filepath.Join(runtimeDir(t), "peermesh")); len(left) != 1 {
		t.Errorf("runtime files: got %d, want that of the living", len(left))
	}
}

func TestNobodyLooksAtANodeThatIsOff(t *testing.T) {
	_, _, _, page := adminOf(t, "--admin", "off")
	if page != "" {
		t.Errorf("ready line: got the admin page %s, want none", page)
	}
	runOnce(t, "", "status").wantCode(t, exitNoNode, "no running node found")
}

func TestStatusIsWatched(t *testing.T) {
	_, id, _, _ := adminOf(t)
	p := start(t, "status", "--watch", "10ms", "--json")
	for range 3 {
		if s := p.next(t); s["id"] != id {
			t.Errorf("got %v, want the status of %s", s, id)
		}
	}
	p.stop(t, os.Interrupt).wantCode(t, exitInterrupted)
}

// A watch ends when the node does, and says so.
func TestWatchOfANodeThatEnds(t *testing.T) {
	node, _, _, _ := adminOf(t)
	p := start(t, "peers", "--watch", "10ms")
	p.line(t)
	node.stop(t, syscall.SIGTERM)
	p.wait(t, time.Now()).wantCode(t, exitNoNode, "no running node answers there")
}

// At the level that is set while the node runs its log tells of peers, and tells
// each event once.
func TestLogLevelOfARunningNode(t *testing.T) {
	p := start(t, "--host", loopback, "--port", "0")
	url, page := "", ""
	for page == "" {
		name, value, _ := strings.Cut(strings.TrimSpace(p.line(t)), " ")
		value, _, _ = strings.Cut(strings.TrimSpace(value), " ")
		switch name {
		case "url":
			url = value
		case "admin":
			page = value
		}
	}
	setLevel(t, page, "debug")
	listener, _ := startListener(t, url)
	listener.stop(t, os.Interrupt)
	for _, want := range []string{"level=DEBUG msg=\"link admitted\"", "level=INFO msg=peer-up", "level=DEBUG msg=\"link ended\"", "level=INFO msg=peer-down"} {
		for deadline := time.Now().Add(patience); !strings.Contains(p.said(), want); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("log: got %q, want %q in it", p.said(), want)
			}
		}
	}
	p.stop(t, os.Interrupt).wantCode(t, exitInterrupted)
	if strings.Contains(p.said(), "peer up") || strings.Contains(p.said(), "peer down") {
		t.Errorf("got %q, want each event once", p.said())
	}
}

func setLevel(t *testing.T, page, level string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, page+"log-level", strings.NewReader(level))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(admin.Header, "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if want := `{"v":1,"level":"` + level + "\"}\n"; string(text) != want {
		t.Fatalf("got %s, want %s", text, want)
	}
}

func TestPagesOfARunningNode(t *testing.T) {
	_, id, url, page := adminOf(t)
	get := func(at string) string {
		resp, err := http.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	defer http.DefaultClient.CloseIdleConnections()
	public := "http" + strings.TrimPrefix(url, "ws")
	for at, want := range map[string]string{
		public: "--bootstrap " + url + "\n", public + "/healthz": "ok\n", page: "<title>peermesh</title>",
		page + "status.json": id, page + "metrics": "peermesh_build_info{", page + "debug/pprof/": "goroutine",
	} {
		if got := get(at); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", at, got, want)
		}
	}
	runOnce(t, "", "status", "--admin", public).wantCode(t, exitNoNode, "no admin page of a node is there", "hint: that may be the public port")
	if got := get(public + "/status.json"); strings.Contains(got, id) {
		t.Errorf("the public port: got %q, want nothing of the status", got)
	}
}

// Two processes of one identity can be told apart by their pages alone.
func TestSeveralNodesOfOneID(t *testing.T) {
	twin, other := testID, routing.ID{9}
	text := severalNodes("status", []admin.Runtime{{ID: twin, URL: "http://a/"}, {ID: other, URL: "http://b/"}, {ID: twin, URL: "http://c/"}}).Error()
	for _, want := range []string{"--admin http://a/ ", "--id " + other.Short() + " ", "--admin http://c/ "} {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %q in it", text, want)
		}
	}
}
