package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/proxy/proxytest"
)

// behindProxies are proxies of both kinds that lead to a node, whatever they are asked
// for.
func behindProxies(t *testing.T, url string) map[string]*proxytest.Proxy {
	t.Helper()
	_, at, _ := strings.Cut(url, "://")
	o := proxytest.Options{User: "u", Password: "hid den", Lead: func(string) string { return at }}
	return map[string]*proxytest.Proxy{"http": proxytest.HTTP(t, o), "socks5": proxytest.SOCKS5(t, o)}
}

// Commands and nodes go by the proxy of the flag, of PEERMESH_PROXY and of the
// environment that all programs share.
func TestCommandsGoByAProxy(t *testing.T) {
	_, _, url := startNode(t)
	_, id := startListener(t, url)
	for kind, p := range behindProxies(t, url) {
		via := kind + "://u:hid%20den@" + p.Address
		for _, test := range []struct {
			name string
			env  []string
			args []string
		}{
			{"flag", nil, []string{"--proxy", via}},
			{"variable", []string{"PEERMESH_PROXY=" + via}, nil},
			{"HTTP_PROXY", []string{"HTTP_PROXY=" + via}, nil},
			{"all_proxy", []string{"all_proxy=" + via}, nil},
			{"flag over the environment", []string{"HTTP_PROXY=http://127.0.0.1:1"}, []string{"--proxy", via}},
		} {
			t.Run(kind+" "+test.name, func(t *testing.T) {
				before := len(p.Asked())
				cmd := program(t, append([]string{"send", id, "hello", "--bootstrap", "ws://mesh.test:8080", "--webrtc", "off"}, test.args...)...)
				cmd.Env = append(cmd.Env, test.env...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("got %v: %s", err, out)
				}
				if asked := p.Asked()[before:]; !slices.Contains(asked, "mesh.test:8080") {
					t.Errorf("got the proxy asked for %q, want mesh.test:8080", asked)
				}
			})
		}
	}
	t.Run("NO_PROXY and loopback", func(t *testing.T) {
		for _, args := range [][]string{{"--proxy", "off", "-b", url}, {"--proxy", "http://127.0.0.1:1", "-b", url}, {"-b", url}} {
			cmd := program(t, append([]string{"send", id, "hello"}, args...)...)
			cmd.Env = append(cmd.Env, "ALL_PROXY=http://127.0.0.1:1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%q: got %v: %s", args, err, out)
			}
		}
	})
}

func TestDoctorShowsTheProxy(t *testing.T) {
	_, id, url := startNode(t)
	for kind, p := range behindProxies(t, url) {
		name := kind + "://" + p.Address
		all := findings(t, exitOK, "--webrtc", "off", "--proxy", kind+"://u:hid%20den@"+p.Address, "-b", "ws://mesh.test:8080", "-b", url)
		wantFinding(t, found(t, all, "proxy", name), verdictOK, "answers; 1 of 2 bootstrap URLs go by it, 1 by none")
		joined := found(t, all, "bootstrap", "ws://mesh.test:8080")
		wantFinding(t, joined, verdictOK, id)
		if want := []string{"proxy", "ws", "hello"}; !slices.Equal(stageNames(joined), want) {
			t.Errorf("stages: got %+v, want %q", joined.Stages, want)
		}

		all = findings(t, exitError, "--proxy", kind+"://u:hidden@"+p.Address, "-b", "wss://mesh.test")
		refused := found(t, all, "bootstrap", "wss://mesh.test")
		wantFinding(t, refused, verdictFail, "refuses the user or the password")
		if refused.Stage != "proxy" || strings.Contains(refused.Detail+refused.Hint, "hidden") {
			t.Errorf("got %+v, want stage proxy and no password", refused)
		}
	}
	forbids := proxytest.HTTP(t, proxytest.Options{Status: http.StatusForbidden})
	all := findings(t, exitError, "--proxy", "http://"+forbids.Address, "-b", "ws://mesh.test:8080")
	wantFinding(t, found(t, all, "bootstrap", ""), verdictFail, "does not let this machine go to mesh.test:8080")
	all = findings(t, exitError, "--proxy", "http://u:hidden@127.0.0.1:1", "-b", "ws://mesh.test:8080")
	wantFinding(t, found(t, all, "proxy", "http://127.0.0.1:1"), verdictFail, "connection refused")
	wantFinding(t, found(t, all, "bootstrap", ""), verdictFail, "nothing listens there")
}

// A setting that is no proxy is told before anything is dialled, and nothing prints the
// user and password of one.
func TestProxySettings(t *testing.T) {
	for _, args := range [][]string{{"config", "check"}, {"send", strings.Repeat("0", 40), "x", "-b", "ws://mesh.test"}, {}} {
		r := runOnce(t, "", append(args, "--proxy", "http://us:hidden@h:99999")...)
		r.wantCode(t, exitUsage, "--proxy: want http://host:port")
		if strings.Contains(r.out+r.err, "hidden") {
			t.Errorf("%q: got %s%s, want no password", args, r.out, r.err)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"http://us:hidden@h:1", `"http://***@h:1"`}, {"hidden@h:1", `"***@h:1"`}, {"socks5://h:1", `"socks5://h:1"`}, {"off", `"off"`}, {"ftp://us:hidden@h", `"***"`}, {"", `""`},
	} {
		r := runOnce(t, "", "config", "show", "--proxy="+test.text)
		if !strings.Contains(r.out, "proxy = "+test.want) || strings.Contains(r.out+r.err, "hidden") {
			t.Errorf("%s: got %s%s, want %s", test.text, r.out, r.err, test.want)
		}
	}
	r := runOnce(t, "", "send", strings.Repeat("0", 40), "x", "-b", "wss://mesh.test", "--timeout", "1s", "--proxy", "http://us:hidden@127.0.0.1:1")
	r.wantCode(t, exitTimeout, "proxy: http://127.0.0.1:1: nothing listens there", "hint: the way there goes by a forward proxy")
	if strings.Contains(r.out+r.err, "hidden") {
		t.Errorf("got %s%s, want no password", r.out, r.err)
	}
}
