package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// Each answer of a web server has words and advice of its own.
func TestEachRefusalHasItsWords(t *testing.T) {
	for _, test := range []struct {
		name     string
		code     int
		location string
		login    bool
		want     []string
		not      []string
	}{
		{"401", 401, "", false, []string{"wants a login (401 Unauthorized): ws://user:password@", "hint: ask whoever runs the server for a user"}, []string{"check the path"}},
		{"401 to a user", 401, "", true, []string{"refuses the user or password in the URL (401", "hint: ask whoever runs the server for a user"}, []string{"check the path"}},
		{"403", 403, "", false, []string{"does not let this user or address in (403", "hint: ask whoever runs the server to let"}, []string{"check the path"}},
		{"404", 404, "", false, []string{"nothing at", "hint: check the path of the URL"}, nil},
		{"407", 407, "", false, []string{"a proxy on the way wants a user and password (407", "hint: give the proxy's user"}, nil},
		{"429", 429, "", false, []string{"busy (429", "hint: try again later"}, nil},
		{"502", 502, "", false, []string{"a proxy answers, and the node behind it does not (502", "hint: start the node behind the proxy"}, nil},
		{"503", 503, "", false, []string{"about to end (503", "hint: try again later"}, nil},
		{"504", 504, "", false, []string{"a proxy answers", "(504", "hint: start the node behind the proxy"}, nil},
		{"200", 200, "", false, []string{`answers "200 OK"`, "hint: something answers there, but no peermesh node"}, nil},
		{"301", 301, "/mesh/", false, []string{"the server redirects; dial ws://HOST/mesh/", "hint: give the URL that the server names"}, []string{"http://", "something answers there"}},
		{"308 to https", 308, "https://mesh.example.org/mesh/?t=1", false, []string{"dial wss://mesh.example.org/mesh/?t=***"}, []string{"https://"}},
		{"302 to nowhere", 302, "ftp://x/", false, []string{"redirects (302 Found) to what is no node"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.location != "" {
					w.Header().Set("Location", test.location)
				}
				w.WriteHeader(test.code)
			}))
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			to := "ws://" + host
			if test.login {
				to = "ws://me:pw@" + host
			}
			r := runOnce(t, "", "listen", "-b", to, "--timeout", "400ms")
			var want []string
			for _, w := range test.want {
				want = append(want, strings.ReplaceAll(w, "HOST", host))
			}
			r.wantCode(t, exitTimeout, want...)
			for _, not := range test.not {
				if strings.Contains(r.err, not) {
					t.Errorf("got\n%swant no %q in it", r.err, not)
				}
			}
		})
	}
}

// Faults of a URL have words of their own as well.
func TestEachURLFaultHasItsWords(t *testing.T) {
	_, _, url := startNode(t)
	for _, test := range []struct {
		name, url string
		code      int
		want      []string
	}{
		{"bare zone", "ws://[fe80::1%eth0]:8080", exitUsage, []string{"a zone in a URL is written %25", "hint: a bootstrap URL looks like"}},
		{"bad escape", "ws://127.0.0.1:8080/%zz", exitUsage, []string{"a % that begins no escape"}},
		{"other ID", url + "#" + strings.Repeat("0", 39) + "1", exitRefused, []string{"handshake: wrong-id", "hint: the ID behind # has to be that of the node there"}},
		{"no TLS", strings.Replace(url, "ws://", "wss://", 1), exitTimeout, []string{"tls: the server does not speak TLS", "hint: a node without --cert is ws://"}},
		{"no name", "ws://nowhere.invalid:80", exitTimeout, []string{"resolve: no address", "hint: check the host's name in the URL"}},
		{"nobody", "ws://127.0.0.1:1", exitTimeout, []string{"nothing listens there", "hint: is a node running there?"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			runOnce(t, "", "listen", "-b", test.url, "--timeout", "1s").wantCode(t, test.code, test.want...)
		})
	}
}

// A fault of the key file ends every command with the same code.
func TestKeyFileFaultsEndAlike(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, _, url := startNode(t)
	for _, args := range [][]string{
		{"--state", dir, "--port", "0"}, {"id", "--state", dir}, {"send", "--state", dir, "-b", url, strings.Repeat("1", 40), "x"}, {"config", "--state", dir, "check"},
	} {
		runOnce(t, "", args...).wantCode(t, exitError, "lets anybody replace it", "hint: run: chmod 700 "+dir)
	}
}

// A listener says how to send to it, and the command works as it stands.
func TestListenSaysHowToSend(t *testing.T) {
	_, _, url := startNode(t)
	var talk lockedBuffer
	cmd := program(t, "listen", "--count", "1", "-b", url)
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	await(t, func() bool { return strings.Contains(talk.String(), "Send it a message:") })
	_, line, _ := strings.Cut(talk.String(), "Send it a message:")
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if len(words) < 2 || words[1] != "send" {
		t.Fatalf("got %q, want a command", line)
	}
	runOnce(t, "", words[1:]...).wantCode(t, exitOK)
	if err := cmd.Wait(); err != nil || !strings.Contains(talk.String(), " hello\n") {
		t.Errorf("the listener: got %v and\n%s", err, talk.String())
	}
}

// That of a URL with a password shows none.
func TestListenShowsNoSecret(t *testing.T) {
	_, _, url := startNode(t)
	var talk lockedBuffer
	cmd := program(t, "listen", "-b", withSecrets(url)[0])
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	await(t, func() bool { return strings.Contains(talk.String(), "Send it a message:") })
	wantNoMarker(t, "listen", talk.String())
}
