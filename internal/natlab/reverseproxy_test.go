//go:build linux

package natlab

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// front is a place before a relay, for its proxy.
type front struct {
	*cell
	proxy, guest place
	dir          string // of the certificate of mesh.test, which leads to the proxy
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{cell: newCell(t)}
	f.proxy, f.guest = f.onWAN(t, "front", outer(40)), f.onWAN(t, "guest", outer(50))
	ca, cert, key := certificates(t, "mesh.test")
	f.dir = filesFor(t, map[string]string{"ca.pem": ca, "cert.pem": cert, "key.pem": key, "both.pem": cert + key})
	for _, p := range []place{f.guest, f.relay[1]} {
		p.hosts(t, "mesh.test", f.proxy.addr.String())
	}
	return f
}

func (f *front) file(name string) string { return filepath.Join(f.dir, name) }

// configured starts a program in the proxy's place with a config, in which DIR is its
// directory and NODE the relay's address.
func (f *front) configured(t *testing.T, name string, config string, args ...string) {
	t.Helper()
	needProgram(t, name, name)
	text := strings.NewReplacer("DIR", f.dir, "NODE", f.relay[0].addr.String()).Replace(config)
	args = append(args, filepath.Join(filesFor(t, map[string]string{"config": text}), "config"))
	f.proxy.start(t, nil, tool(name), args...)
}

// ordinary runs what shows whether a bootstrap URL leads to a node: a ping to it.
func (f *front) ordinary(t *testing.T, bootstrap string, to *member, args ...string) (out string, err error) {
	t.Helper()
	return f.guest.command(t, nil, append([]string{"ping", "-c", "1", to.id, "--bootstrap", bootstrap, "--tls-ca", f.file("ca.pem"), "--webrtc", "off"}, args...)...)
}

// TestPROXYProtocol: haproxy tells the client's address in both versions, to a node that
// serves ws and to one that serves wss; of a proxy that is not named each end says so.
func TestPROXYProtocol(t *testing.T) {
	t.Parallel()
	needLab(t)
	f := newFront(t)
	f.configured(t, "haproxy", `defaults
 mode tcp
 timeout connect 5s
 timeout client 60s
 timeout server 60s
listen v1
 bind :8001
 server n NODE:8080 send-proxy
listen v2
 bind :8002
 server n NODE:8080 send-proxy-v2
listen v1-tls
 bind :8003
 server n NODE:8443 send-proxy
listen v2-tls
 bind :8004
 server n NODE:8443 send-proxy-v2
listen http
 mode http
 option forwardfor
 bind :8005
 server n NODE:8080 send-proxy
listen none
 bind :8006
 server n NODE:8080
listen stranger
 bind :8007
 server n NODE:8090 send-proxy
listen stranger-tls
 bind :8008
 server n NODE:8453 send-proxy-v2
`, "-db", "-f")
	secure := []string{"--cert", f.file("cert.pem"), "--key", f.file("key.pem")}
	trusting := []string{"--trusted-proxy", f.proxy.addr.String(), "--webrtc", "off"}
	for _, c := range []struct {
		port   int
		served []string
		scheme string
		by     []int
	}{
		{8080, trusting, "ws", []int{8001, 8002, 8005, 8006}},
		{8443, append(secure, trusting...), "wss", []int{8003, 8004}},
	} {
		r := f.relay[0].runs(t, append([]string{"--port", fmt.Sprint(c.port)}, c.served...)...)
		for _, port := range c.by {
			guest := f.guest.runs(t, "listen", "--bootstrap", fmt.Sprintf("%s://mesh.test:%d", c.scheme, port), "--tls-ca", f.file("ca.pem"), "--webrtc", "off")
			want := f.guest.addr.String() + ":"
			if port == 8006 { // nothing is told
				want = f.proxy.addr.String() + ":"
			}
			until(t, fmt.Sprintf("by port %d the relay sees the guest at %s", port, want), func() bool {
				return strings.HasPrefix(f.relay[0].addressOf(t, r, guest), want)
			})
			guest.kill()
		}
	}
	for _, c := range []struct {
		port   int
		served []string
		url    string
	}{{8090, nil, "ws://mesh.test:8007"}, {8453, secure, "wss://mesh.test:8008"}} {
		r := f.relay[0].runs(t, append([]string{"--port", fmt.Sprint(c.port), "--webrtc", "off"}, c.served...)...)
		out, err := f.ordinary(t, c.url, r, "--timeout", "2s")
		if err == nil || !strings.Contains(out, "sends PROXY protocol headers") {
			t.Errorf("%s: got %v: %s, want the PROXY header named", c.url, err, out)
		}
		status, err := f.relay[0].command(t, nil, "status", "--json", "--admin", r.admin)
		if err != nil || !strings.Contains(status, `"proxy-header":`) || !strings.Contains(status, `"undeclaredProxy":"`+f.proxy.addr.String()+`"`) {
			t.Errorf("status: got %v: %s, want the drop and the proxy", err, status)
		}
	}
}

// addressOf is where a relay sees a peer; "": it has no link with it.
func (p place) addressOf(t *testing.T, relay, peer *member) string {
	t.Helper()
	out, err := p.command(t, nil, "peers", "--json", "--admin", relay.admin)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var told struct {
		Peers []struct{ ID, Address string }
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, one := range told.Peers {
		if one.ID == peer.id {
			return one.Address
		}
	}
	return ""
}

// TestPrefixesAtNginx: nginx leads to a node below a prefix that it keeps or takes off,
// over ws and over wss; links, page, /healthz and what is told agree. An upgrade that
// nginx takes off is told as that by both ends.
func TestPrefixesAtNginx(t *testing.T) {
	t.Parallel()
	needLab(t)
	f := newFront(t)
	const upgrade = " proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; "
	f.configured(t, "nginx", `daemon off;
master_process off;
pid DIR/nginx.pid;
error_log DIR/error.log;
events {}
http {
 access_log off;
 client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
 server {
  listen 80; listen 443 ssl;
  ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
  location /kept/ {`+upgrade+`proxy_pass http://NODE:8081; }
  location /mesh/ {`+upgrade+`proxy_pass http://NODE:8082/; }
  location /told/ {`+upgrade+`proxy_pass http://NODE:8083/; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Prefix /told; }
  location /tell/ {`+upgrade+`proxy_pass http://NODE:8083; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Prefix /tell/; }
  location /bare/ { proxy_pass http://NODE:8081/; }
 }
}
`, "-p", f.dir, "-c")
	ask := f.guest.play(t, "fetch")
	relays := map[string]*member{
		"kept": f.relay[0].runs(t, "--port", "8081", "--public-url", "ws://mesh.test/kept/", "--public-url", "wss://mesh.test/kept/", "--webrtc", "off"),
		"mesh": f.relay[0].runs(t, "--port", "8082", "--public-url", "ws://mesh.test/mesh/", "--webrtc", "off"),
		"told": f.relay[0].runs(t, "--port", "8083", "--trusted-proxy", f.proxy.addr.String(), "--webrtc", "off"),
	}
	relays["tell"] = relays["told"]
	until(t, "nginx serves", func() bool { return ask.fetch(t, "http://5.40.0.1/kept/healthz").Status != 0 })
	for prefix, r := range relays {
		base := "http://mesh.test/" + prefix + "/"
		want := "--bootstrap ws://mesh.test/" + prefix + "/\n"
		if got := ask.fetch(t, base); got.Status != 200 || !strings.Contains(got.Body, want) {
			t.Errorf("%s: got %+v, want the page and %q", base, got, want)
		}
		if got := ask.fetch(t, base+"healthz"); got.Status != 200 || got.Body != "ok\n" {
			t.Errorf("%shealthz: got %+v, want ok", base, got)
		}
		for _, scheme := range []string{"ws", "wss"} {
			at := scheme + "://mesh.test/" + prefix + "/"
			if out, err := f.ordinary(t, at, r); err != nil {
				t.Errorf("%s: %v: %s", at, err, out)
			}
			if out, err := f.guest.command(t, nil, "doctor", "http"+at[2:], "--tls-ca", f.file("ca.pem"), "--webrtc", "off"); err != nil {
				t.Errorf("doctor: %v: %s", err, out)
			}
		}
	}
	for _, scheme := range []string{"ws", "wss"} {
		out, err := f.ordinary(t, scheme+"://mesh.test/bare/", relays["kept"], "--timeout", "2s")
		if err == nil || !strings.Contains(out, "took the Upgrade header off") {
			t.Errorf("%s, upgrade taken off: got %v: %s, want that said", scheme, err, out)
		}
	}
	status, err := f.relay[0].command(t, nil, "status", "--json", "--admin", relays["kept"].admin)
	if err != nil || !strings.Contains(status, `"stripped-upgrade":`) {
		t.Errorf("status: got %v: %s, want the drop", err, status)
	}
	// Who is told of the relay by a third dials what it is told.
	third := f.relay[1].runs(t, "--port", fmt.Sprint(relayPort), "--bootstrap", "ws://mesh.test/mesh/", "--webrtc", "off")
	fourth := f.guest.runs(t, "--port", fmt.Sprint(relayPort), "--bootstrap", "ws://"+f.relay[1].at(relayPort), "--webrtc", "off")
	until(t, "who joins by a third has a link with the relay behind the prefix", func() bool {
		return f.guest.addressOf(t, fourth, relays["mesh"]) != "" && f.guest.addressOf(t, fourth, third) != ""
	})
}
