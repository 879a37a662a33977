//go:build linux

package natlab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	proxyUser, proxyPassword = "worker", "pass:wo@rd"
	escapedPassword          = "pass%3Awo%40rd"
	tlsPort                  = 443
)

// office is a machine that reaches nothing but a proxy with a leg in the wide net, and
// has no name server.
type office struct {
	*cell
	proxy, desk place
	via         string // the proxy's host, from the desk
	ca          string // file
}

// newOffice makes it, and a relay that serves ws and one that serves wss, which know each
// other. The proxy alone knows the name mesh.test, which is the wss relay's.
func newOffice(t *testing.T) (o *office, plain, secure *member) {
	t.Helper()
	o = &office{cell: newCell(t), via: "192.168.9.1"}
	o.proxy = o.onWAN(t, "proxy", outer(30))
	o.desk = place{newSpace(t, "desk"), netip.MustParseAddr("192.168.9.2")}
	o.proxy.ip(t, fmt.Sprintf("link add in type veth peer name out netns %s", o.desk.space), "addr add 192.168.9.1/24 dev in", "link set in up")
	o.desk.ip(t, "addr add 192.168.9.2/24 dev out", "link set out up")
	o.proxy.hosts(t, "mesh.test", o.relay[1].addr.String())
	ca, cert, key := certificates(t, "mesh.test")
	dir := filesFor(t, map[string]string{"ca.pem": ca, "cert.pem": cert, "key.pem": key})
	o.ca = filepath.Join(dir, "ca.pem")
	plain = o.relay[0].runs(t, "--port", fmt.Sprint(relayPort), "--webrtc", "off")
	secure = o.relay[1].runs(t, "--port", fmt.Sprint(tlsPort), "--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem"),
		"--public-url", "wss://mesh.test", "--bootstrap", "ws://"+o.relay[0].at(relayPort), "--webrtc", "off")
	return o, plain, secure
}

// squid starts one that asks for a user.
func (o *office) squid(t *testing.T) (url string) {
	t.Helper()
	needProgram(t, "squid", "squid")
	dir := filesFor(t, map[string]string{
		"users": "#!/bin/sh\nwhile read user password; do\ncase \"$user $password\" in\n'worker pass:wo@rd' | 'worker pass%3Awo%40rd') echo OK ;;\n*) echo ERR ;;\nesac\ndone\n",
	})
	log := filepath.Join(dir, "access.log")
	conf := filepath.Join(dir, "squid.conf")
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(`http_port 3128
pid_filename none
cache deny all
access_log stdio:DIR/access.log
buffered_logs off
cache_log DIR/cache.log
coredump_dir DIR
shutdown_lifetime 0 seconds
auth_param basic program DIR/users
auth_param basic realm lab
acl known proxy_auth REQUIRED
acl ways port 443 8080
http_access deny !ways
http_access allow known
http_access deny all
`, "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b, _ := os.ReadFile(log); t.Failed() {
			t.Logf("squid's log:\n%s", b)
		}
	})
	o.proxy.start(t, nil, tool("squid"), "-N", "-f", conf)
	return "http://USER@" + o.via + ":3128"
}

// microsocks starts one that asks for a user.
func (o *office) microsocks(t *testing.T) (url string) {
	t.Helper()
	needProgram(t, "microsocks", "microsocks")
	o.proxy.start(t, nil, tool("microsocks"), "-i", o.via, "-p", "1080", "-u", proxyUser, "-P", proxyPassword)
	return "socks5://USER@" + o.via + ":1080"
}

// TestForwardProxies: behind squid and behind a SOCKS server, which ask for a user, and
// without a name server, commands and nodes join over ws and over wss, by the flag and
// by the environment; what the proxy refuses is named.
func TestForwardProxies(t *testing.T) {
	t.Parallel()
	needLab(t)
	for _, kind := range []string{"squid", "microsocks"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o, plain, secure := newOffice(t)
			form := map[string]func(*testing.T) string{"squid": o.squid, "microsocks": o.microsocks}[kind](t)
			url := strings.Replace(form, "USER", proxyUser+":"+escapedPassword, 1)
			urls := map[string]string{"ws": "ws://" + o.relay[0].at(relayPort), "wss": "wss://mesh.test"}

			// The proxy may not listen yet: it is tried again.
			desk := o.desk.runs(t, "--bootstrap", urls["wss"], "--proxy", url, "--tls-ca", o.ca, "--webrtc", "off")
			until(t, "the node at the desk has a link with each relay, of which it was told one", func() bool {
				out, err := o.desk.command(t, nil, "peers", "--json", "--admin", desk.admin)
				return err == nil && strings.Contains(out, plain.id) && strings.Contains(out, secure.id)
			})
			if out, _ := o.desk.command(t, nil, "peers", "--json", "--admin", desk.admin); !strings.Contains(out, o.relay[0].at(relayPort)) || !strings.Contains(out, "mesh.test:443") {
				t.Errorf("peers: got %s, want the told address of one and the name of the other", out)
			}
			for scheme, bootstrap := range urls {
				for name, how := range map[string][2][]string{
					"flag":        {nil, {"--proxy", url}},
					"environment": {{"http_proxy=" + url, "HTTPS_PROXY=" + url}, nil},
					"ALL_PROXY":   {{"ALL_PROXY=" + url, "NO_PROXY=other.test"}, nil},
				} {
					args := append([]string{"ping", "-c", "1", desk.id, "--bootstrap", bootstrap, "--tls-ca", o.ca, "--webrtc", "off"}, how[1]...)
					if out, err := o.desk.command(t, how[0], args...); err != nil {
						t.Errorf("%s by %s: %v: %s", scheme, name, err, out)
					}
				}
				for what, user := range map[string]string{"refuses the user or the password": "worker:wrong@", "wants a user and a password": ""} {
					out, err := o.desk.command(t, nil, "doctor", "--bootstrap", bootstrap, "--tls-ca", o.ca, "--webrtc", "off", "--proxy", strings.Replace(form, "USER@", user, 1))
					if err == nil || !strings.Contains(out, "proxy: "+strings.Split(form, "USER")[0]) || !strings.Contains(out, what) || strings.Contains(out, "wrong@") {
						t.Errorf("%s, doctor: got %v: %s, want stage proxy and %q", scheme, err, out, what)
					}
				}
				out, err := o.desk.command(t, nil, "doctor", "--bootstrap", bootstrap, "--tls-ca", o.ca, "--webrtc", "off", "--proxy", url)
				if err != nil || !strings.Contains(out, "  proxy ") || strings.Contains(out, "wo%40rd") {
					t.Errorf("%s, doctor: got %v: %s, want the stage proxy and no password", scheme, err, out)
				}
			}
			for at, want := range map[string]map[string]string{
				"ws://5.9.9.9:9":   {"squid": "does not let this machine go to", "microsocks": "does not reach"},
				"ws://5.1.0.1:443": {"squid": "does not reach", "microsocks": "does not reach"},
			} {
				out, err := o.desk.command(t, nil, "doctor", "--bootstrap", at, "--webrtc", "off", "--proxy", url)
				if err == nil || !strings.Contains(out, want[kind]) {
					t.Errorf("%s: got %v: %s, want %q", at, err, out, want[kind])
				}
			}
		})
	}
}
