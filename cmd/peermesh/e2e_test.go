package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
)

// These tests run the program as its users do: a node, a listener that knows
// nothing but the node's URL, and commands that know nothing but the
// listener's ID.

const loopback = "127.0.0.1"

// startNode starts a node on a free port and returns it with its ID and URL.
func startNode(t *testing.T, args ...string) (p *process, id, url string) {
	t.Helper()
	p = start(t, append([]string{"--host", loopback, "--port", "0", "--json"}, args...)...)
	ready := p.next(t)
	if ready["event"] != "ready" {
		t.Fatalf("first line: got %v, want the event ready", ready)
	}
	urls, _ := ready["urls"].([]any)
	if len(urls) != 1 {
		t.Fatalf("URLs of a node on one address: got %v, want one", urls)
	}
	return p, ready["id"].(string), urls[0].(string)
}

// startListener starts listen and returns it with its ID.
func startListener(t *testing.T, url string, args ...string) (p *process, id string) {
	t.Helper()
	p = start(t, append([]string{"listen", "--bootstrap", url, "--json"}, args...)...)
	ready := p.next(t)
	if ready["event"] != "ready" {
		t.Fatalf("first line: got %v, want the event ready", ready)
	}
	return p, ready["id"].(string)
}

func wantMessage(t *testing.T, p *process, text string) object {
	t.Helper()
	m := p.event(t, "message")
	if m["text"] != text || m["data"] != base64.StdEncoding.EncodeToString([]byte(text)) {
		t.Errorf("message: got %v, want text %q", m, text)
	}
	return m
}

func TestReadyLineIsExact(t *testing.T) {
	p := start(t, "--host", loopback, "--port", "0", "--json")
	line := p.line(t)
	want := regexp.MustCompile(`^\{"v":1,"event":"ready","id":"[0-9a-f]{40}","urls":\["ws://127\.0\.0\.1:[0-9]+"\],"admin":"http://127\.0\.0\.1:[0-9]+/"\}$`)
	if !want.MatchString(line) {
		t.Errorf("first line: got %s, want %s", line, want)
	}
}

func TestNodeTellsHowToAddAnother(t *testing.T) {
	p := start(t, "--host", loopback, "--port", "0")
	id := regexp.MustCompile(`id +([0-9a-f]{40})$`)
	second := regexp.MustCompile(`^Add a second node: +(\S+) --port 0 --bootstrap (ws://127\.0\.0\.1:[0-9]+)$`)
	var sawID bool
	for {
		line := p.line(t)
		sawID = sawID || id.MatchString(line)
		m := second.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if !sawID || m[1] != p.cmd.Path {
			t.Errorf("got ID printed: %v, program %q, want it printed and %q", sawID, m[1], p.cmd.Path)
		}
		runOnce(t, "", "ping", "-c", "1", "--timeout", "1s", strings.Repeat("0", 39)+"1", "--bootstrap", m[2]).
			wantCode(t, exitNoRoute, "no route")
		return
	}
}

func TestThreeProcesses(t *testing.T) {
	_, node, url := startNode(t)
	listener, id := startListener(t, url, "--echo")

	t.Run("send", func(t *testing.T) {
		r := runOnce(t, "", "send", id, "hello", "--json", "--bootstrap", url)
		r.wantCode(t, exitOK)
		if want := fmt.Sprintf(`{"v":1,"event":"sent","to":"%s","bytes":5}`, id) + "\n"; r.out != want {
			t.Errorf("got %swant %s", r.out, want)
		}
		if m := wantMessage(t, listener, "hello"); m["hops"] != 2.0 {
			t.Errorf("hops: got %v, want 2", m["hops"])
		}
	})
	t.Run("send from a pipe", func(t *testing.T) {
		runOnce(t, "two\nlines", "send", id, "-b", url).wantCode(t, exitOK, "acknowledged 9 bytes")
		wantMessage(t, listener, "two\nlines")
	})
	t.Run("send nothing", func(t *testing.T) {
		runOnce(t, "", "send", id, "", "-b", url).wantCode(t, exitOK)
		wantMessage(t, listener, "")
	})
	t.Run("send the largest", func(t *testing.T) {
		large := strings.Repeat("x", limits.MaxMessage)
		runOnce(t, large, "send", id, "-", "-b", url).wantCode(t, exitOK)
		wantMessage(t, listener, large)
	})
	t.Run("send more than the largest", func(t *testing.T) {
		runOnce(t, strings.Repeat("x", limits.MaxMessage+1), "send", id, "-", "-b", url).
			wantCode(t, exitError, "too large", "hint: one message holds at most 60000 bytes")
	})
	t.Run("request", func(t *testing.T) {
		r := runOnce(t, "", "request", "--bootstrap", url, id, "\xff raw")
		r.wantCode(t, exitOK)
		if r.out != "\xff raw" {
			t.Errorf("answer: got %q, want the very bytes %q", r.out, "\xff raw")
		}
		if m := listener.event(t, "message"); m["request"] != true || m["text"] != nil {
			t.Errorf("request that is no text: got %v, want request true and no text", m)
		}
	})
	t.Run("request in JSON", func(t *testing.T) {
		r := runOnce(t, "", "request", "--bootstrap", url, id, "hi", "--json")
		r.wantCode(t, exitOK)
		if want := fmt.Sprintf(`{"v":1,"event":"answer","from":"%s","data":"aGk=","text":"hi"}`, id) + "\n"; r.out != want {
			t.Errorf("got %swant %s", r.out, want)
		}
		wantMessage(t, listener, "hi")
	})
	t.Run("ping names the node between", func(t *testing.T) {
		r := runOnce(t, "", "ping", id, "-c", "2", "-i", "1ms", "--json", "-b", url)
		r.wantCode(t, exitOK)
		want := regexp.MustCompile(`^\{"v":1,"seq":1,"rttMs":[0-9.]+,"hops":2,"via":"` + node + `","direct":false\}
\{"v":1,"seq":2,"rttMs":[0-9.]+,"hops":2,"via":"` + node + `","direct":false\}
$`)
		if !want.MatchString(r.out) {
			t.Errorf("got %swant %s", r.out, want)
		}
	})
	t.Run("ping the node itself", func(t *testing.T) {
		r := runOnce(t, "", "ping", node, "-c1", "-b", url)
		r.wantCode(t, exitOK)
		want := regexp.MustCompile(`^pong from ` + node[:8] + ` in [0-9.]+ ms  1 hop direct\n1 sent, 1 received, min/avg/max `)
		if !want.MatchString(r.out) {
			t.Errorf("got %swant %s", r.out, want)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		runOnce(t, "", "send", node, "hello", "-b", url).wantCode(t, exitRefused, "no handler", "hint: that node runs")
	})
	t.Run("nobody has the ID", func(t *testing.T) {
		r := runOnce(t, "", "send", strings.Repeat("0", 39)+"1", "hello", "-b", url)
		r.wantCode(t, exitNoRoute, "no route", "undelivered")
	})
}

func TestAcrossTwoNodes(t *testing.T) {
	_, near, nearURL := startNode(t)
	_, _, farURL := startNode(t, "--bootstrap", nearURL)
	listener, id := startListener(t, farURL)
	runOnce(t, "", "send", id, "hello", "-b", nearURL).wantCode(t, exitOK)
	// The listener makes the other relay a home of its own, sooner or later.
	if m := wantMessage(t, listener, "hello"); m["hops"] != 3.0 && m["hops"] != 2.0 {
		t.Errorf("hops: got %v, want 3, or 2 by a home", m["hops"])
	}
	r := runOnce(t, "", "ping", id, "-c", "1", "-b", nearURL)
	r.wantCode(t, exitOK)
	if want := regexp.MustCompile("[23] hops via " + near[:8]); !want.MatchString(r.out) {
		t.Errorf("got %swant %q in it", r.out, want)
	}
}

func TestListenEndsAfterCount(t *testing.T) {
	_, _, url := startNode(t)
	p := start(t, "listen", "--count", "2", "--reply", "done", "--bootstrap", url)
	id := p.line(t)
	if r := runOnce(t, "", "request", id, "one", "-b", url); r.out != "done" {
		t.Errorf("answer: got %q, want %q; it said:\n%s", r.out, "done", r.err)
	}
	runOnce(t, "", "send", id, "two", "-b", url).wantCode(t, exitOK)
	r := p.wait(t, time.Now())
	r.wantCode(t, exitOK)
	if want := regexp.MustCompile(`^[0-9a-f]{40} one\n[0-9a-f]{40} two\n$`); !want.MatchString(r.out) {
		t.Errorf("got %qwant %s", r.out, want)
	}
}

func TestSignals(t *testing.T) {
	node, _, url := startNode(t)
	listener, _ := startListener(t, url)
	node.event(t, "peer-up")

	listener.stop(t, os.Interrupt).wantCode(t, exitInterrupted)
	if down := node.event(t, "peer-down"); down["reason"] != "leaving" {
		t.Errorf("why the listener's link ended: got %v, want leaving", down["reason"])
	}
	listener, _ = startListener(t, url)
	listener.stop(t, syscall.SIGTERM).wantCode(t, exitOK)
	for sig, code := range map[os.Signal]int{syscall.SIGTERM: exitOK, os.Interrupt: exitInterrupted} {
		p, _, _ := startNode(t, "--bootstrap", url, "--drain", "0")
		r := p.stop(t, sig)
		r.wantCode(t, code)
		if r.took > atOnce {
			t.Errorf("end after %v: got %v, want it at once", sig, r.took)
		}
	}
}

func TestHealing(t *testing.T) {
	node, _, url := startNode(t)
	listener, id := startListener(t, url)
	runOnce(t, "", "send", id, "before", "-b", url).wantCode(t, exitOK)
	wantMessage(t, listener, "before")

	node.kill()
	r := runOnce(t, "", "send", id, "lost", "-b", url, "--timeout", "500ms")
	r.wantCode(t, exitTimeout, "peermesh: join "+url+": connect: ", "hint: is a node running there?")
	if first, _, _ := strings.Cut(r.err, "\n"); !strings.Contains(first, url) {
		t.Errorf("first line: got %q, want the URL in it", first)
	}
	if r.took > atOnce {
		t.Errorf("with --timeout 500ms: got an end after %v", r.took)
	}

	startNode(t, "--port", url[strings.LastIndex(url, ":")+1:])
	began := time.Now()
	for { // each attempt waits until the new node answers, so this does not spin
		r = runOnce(t, "", "send", id, "after", "-b", url, "--timeout", "5s")
		if r.code == exitOK || time.Since(began) > patience {
			break
		}
	}
	r.wantCode(t, exitOK)
	wantMessage(t, listener, "after")
}

func TestPins(t *testing.T) {
	_, id, url := startNode(t)
	_, listener := startListener(t, url)
	runOnce(t, "", "send", listener, "hi", "-b", url+"#"+id).wantCode(t, exitOK)
	runOnce(t, "", "send", listener, "hi", "-b", url+"#"+listener, "--timeout", "1s").
		wantCode(t, exitRefused, "peermesh: join "+url, "handshake", "hint: the ID behind # has to be that of the node there")
}

func TestClosedMesh(t *testing.T) {
	dir := t.TempDir()
	key, other := filepath.Join(dir, "network.key"), filepath.Join(dir, "other.key")
	for file, digit := range map[string]string{key: "1", other: "2"} {
		if err := os.WriteFile(file, []byte(strings.Repeat(digit, 64)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, url := startNode(t, "--network-key", key)
	listener, id := startListener(t, url, "--network-key", key)
	runOnce(t, "", "send", id, "hi", "-b", url, "--network-key", key).wantCode(t, exitOK)
	wantMessage(t, listener, "hi")
	for _, args := range [][]string{{"--network-key", other}, nil} {
		runOnce(t, "", append([]string{"send", id, "hi", "-b", url, "--timeout", "1s"}, args...)...).
			wantCode(t, exitTimeout, "peermesh: join "+url+": handshake", "hint: both sides need the same --network-key")
	}
}

func TestIdentityIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, id, url := startNode(t, "--state", dir)
	r := runOnce(t, "", "id", "--state", dir)
	r.wantCode(t, exitOK)
	if r.out != id+"\n" {
		t.Errorf("ID of the state: got %q, want %q", r.out, id)
	}
	t.Run("a key that others may read", func(t *testing.T) {
		if err := os.Chmod(filepath.Join(dir, identity.KeyFileName), 0o644); err != nil {
			t.Fatal(err)
		}
		r := runOnce(t, "", "id", "--state", dir, "--json")
		r.wantCode(t, exitError, "key file "+dir, "hint: ")
		if !strings.Contains(r.out, `"reason":"state"`) || strings.Contains(r.out, `"id"`) {
			t.Errorf("standard output: got %q, want the error and no ID", r.out)
		}
	})
	t.Run("two processes with one key", func(t *testing.T) {
		shared := filepath.Join(t.TempDir(), "state")
		first, id, _, page := adminOf(t, "--state", shared, "--bootstrap", url)
		for _, args := range [][]string{{"--port", "0"}, {"send", id, "hi", "-b", url}, {"listen", "-b", url}} {
			runOnce(t, "", append(args, "--state", shared)...).wantCode(t, exitError, "peermesh: state directory "+shared+": in use by process "+strconv.Itoa(first.cmd.Process.Pid), "hint: stop that one")
		}
		copied := t.TempDir()
		key, err := os.ReadFile(filepath.Join(shared, identity.KeyFileName))
		if err == nil {
			err = os.WriteFile(filepath.Join(copied, identity.KeyFileName), key, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		startNode(t, "--state", copied, "--bootstrap", url)
		first.event(t, "identity-in-use")
		if r := runOnce(t, "", "status", "--admin", page); !strings.Contains(r.out, "warn  identity in use elsewhere") {
			t.Errorf("status: got %s, want that the identity is in use", r.out)
		}
	})
}

func TestFreshIDs(t *testing.T) {
	a, b := runOnce(t, "", "id"), runOnce(t, "", "id")
	if a.out == b.out || len(a.out) != 41 {
		t.Errorf("IDs without a state: got %q and %q, want two of 40 digits", a.out, b.out)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	runOnce(t, "", "--host", loopback, "--port", port).
		wantCode(t, exitError, "address already in use", "hint: another program has that port")
}

func TestBootstrapURLs(t *testing.T) {
	for _, test := range []struct {
		name, url, talk string
		code            int
	}{
		{"no scheme", "127.0.0.1:8080", "127.0.0.1:8080", exitUsage},
		{"another scheme", "http://127.0.0.1:8080", `unknown scheme "http"`, exitUsage},
		{"no host", "ws://", "no host", exitUsage},
		{"bad port", "ws://127.0.0.1:99999", "99999", exitUsage},
		{"bad pin", "ws://127.0.0.1:8080#3f9a", "3f9a", exitUsage},
		{"nobody there", "ws://127.0.0.1:1", "connect: connection refused", exitTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runOnce(t, "", "listen", "-b", test.url, "--timeout", "500ms")
			r.wantCode(t, test.code, test.talk, "hint: ")
		})
	}
	t.Run("each mistake on a line", func(t *testing.T) {
		r := runOnce(t, "", "--host", loopback, "--port", "0", "-b", "one", "-b", "two", "--public-url", "three")
		r.wantCode(t, exitUsage)
		for _, want := range []string{"one", "two", "three"} {
			if !regexp.MustCompile(`(?m)^peermesh: .*` + want).MatchString(r.err) {
				t.Errorf("got\n%swant a line about %s", r.err, want)
			}
		}
	})
}

func TestSettingsFromTheEnvironment(t *testing.T) {
	_, node, url := startNode(t)
	cmd := program(t, "ping", node)
	cmd.Env = append(cmd.Env, "PEERMESH_BOOTSTRAP=ws://127.0.0.1:1 "+url, "PEERMESH_COUNT=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ping with two bootstrap URLs in the environment: got %v, want no error; it said:\n%s", err, out)
	}
}
