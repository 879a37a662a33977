package ws_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// upgradeRequest is what a browser sends; lines are added to its header.
func upgradeRequest(lines ...string) string {
	return "GET /mesh HTTP/1.1\r\nHost: example.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
		strings.Join(append(lines, "\r\n"), "\r\n")
}

// rawDial opens a socket that gives up in time.
func rawDial(t *testing.T, host string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange writes the request and reads the head of the answer.
func exchange(t *testing.T, c net.Conn, request string) (*http.Response, *bufio.Reader) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, r
}

func TestHandlerAnswers(t *testing.T) {
	h, accepted := acceptor()
	host := serve(t, ws.NewServer(h))
	cases := []struct {
		name, request string
		status        int
		says          string
	}{
		{"plain GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426, "peermesh"},
		{"plain POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 426, "peermesh"},
		{"upgrade to something else", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 426, "peermesh"},
		{"no subprotocol", upgradeRequest(), 400, "peermesh.2"},
		{"foreign subprotocol", upgradeRequest("Sec-WebSocket-Protocol: chat, xpeermesh.2"), 400, "peermesh.2"},
		{"other WebSocket version", strings.Replace(upgradeRequest("Sec-WebSocket-Protocol: peermesh.2"), "Version: 13", "Version: 8", 1), 400, "version"},
		{"bad key", strings.Replace(upgradeRequest("Sec-WebSocket-Protocol: peermesh.2"), "AAAA", "", 1), 400, "Key"},
		{"foreign Origin", upgradeRequest("Sec-WebSocket-Protocol: peermesh.2", "Origin: https://elsewhere.test"), 403, "--allow-origin"},
		{"Origin of this machine", upgradeRequest("Sec-WebSocket-Protocol: peermesh.2", "Origin: http://localhost:3000"), 101, ""},
		{"among others", upgradeRequest("Sec-WebSocket-Protocol: peermesh.9, peermesh.2"), 101, ""},
		{"compression offered", upgradeRequest("Sec-WebSocket-Protocol: peermesh.2", "Sec-WebSocket-Extensions: permessage-deflate"), 101, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := exchange(t, rawDial(t, host), c.request)
			if resp.StatusCode != c.status {
				t.Fatalf("got status %d, want %d", resp.StatusCode, c.status)
			}
			if c.status == http.StatusSwitchingProtocols {
				keep(t, accepted)
				if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != ws.Subprotocol {
					t.Errorf("got subprotocol %q, want %q", got, ws.Subprotocol)
				}
				if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
					t.Errorf("got extensions %q, want none", got)
				}
				return
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || !strings.Contains(string(body), c.says) {
				t.Errorf("got %q, %v, want a text with %q", body, err, c.says)
			}
		})
	}
}

// A peer of another version learns which one is spoken here.
func TestOtherVersionIsClosed(t *testing.T) {
	h, accepted := acceptor()
	refused := make(chan *transport.VersionError, 1)
	h.Refused = func(from net.Addr, err *transport.VersionError) { refused <- err }
	c := rawDial(t, serve(t, ws.NewServer(h)))
	resp, r := exchange(t, c, upgradeRequest("Sec-WebSocket-Protocol: peermesh.1, peermesh.0"))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got status %d, want 101", resp.StatusCode)
	}
	want := "\x88\x1e\x03\xea" + "this node speaks peermesh.2" // close, status 1002
	want = strings.Replace(want, "\x1e", string(rune(len(want)-2)), 1)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want the close frame %q", got, err, want)
	}
	_ = c.Close()
	if got := <-refused; got.Ours != ws.Subprotocol || got.Theirs != "peermesh.1 or peermesh.0" {
		t.Errorf("got %v, want both versions told", got)
	}
	select {
	case <-accepted:
		t.Error("Accept was called for another version")
	default:
	}
}

func TestWants(t *testing.T) {
	cases := []struct {
		name, request string
		want          bool
	}{
		{"ours", upgradeRequest("Sec-WebSocket-Protocol: peermesh.2"), true},
		{"another version of ours", upgradeRequest("Sec-WebSocket-Protocol: chat, peermesh.7"), true},
		{"in a second line", upgradeRequest("Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: Peermesh.1"), true},
		{"no subprotocol", upgradeRequest(), false},
		{"another subprotocol", upgradeRequest("Sec-WebSocket-Protocol: chat"), false},
		{"an upgrade that was taken off", "GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: peermesh.2\r\n\r\n", true},
		{"another one's", "GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(c.request)))
			if err != nil {
				t.Fatal(err)
			}
			if got := ws.Wants(r); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRemoteAddr(t *testing.T) {
	loopback := []string{"127.0.0.0/8"}
	cases := []struct {
		name      string
		trusted   []string
		forwarded []string
		want      string
	}{
		{"no proxy", loopback, nil, "127.0.0.1"},
		{"nobody trusted", nil, []string{"9.9.9.9"}, "127.0.0.1"},
		{"others trusted", []string{"10.0.0.0/8"}, []string{"9.9.9.9"}, "127.0.0.1"},
		{"one proxy", loopback, []string{"9.9.9.9"}, "9.9.9.9"},
		{"forged entry before it", loopback, []string{"1.1.1.1, 9.9.9.9"}, "9.9.9.9"},
		{"two trusted proxies", []string{"127.0.0.1/32", "10.0.0.0/8"}, []string{"1.1.1.1, 9.9.9.9, 10.0.0.7"}, "9.9.9.9"},
		{"two lines", []string{"127.0.0.1/32", "10.0.0.0/8"}, []string{"9.9.9.9", "10.0.0.7"}, "9.9.9.9"},
		{"all trusted", []string{"127.0.0.1/32", "10.0.0.0/8"}, []string{"10.0.0.8, 10.0.0.7"}, "10.0.0.8"},
		{"with a port", loopback, []string{"9.9.9.9:1234"}, "9.9.9.9"},
		{"IPv6", loopback, []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", loopback, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with a port", loopback, []string{"[2001:db8::1]:99"}, "2001:db8::1"},
		{"mapped IPv4", loopback, []string{"::ffff:9.9.9.9"}, "9.9.9.9"},
		{"mapped prefix", []string{"::ffff:127.0.0.0/104"}, []string{"9.9.9.9"}, "9.9.9.9"},
		{"not an address", loopback, []string{"unknown"}, "127.0.0.1"},
		{"stops at what is no address", []string{"127.0.0.1/32", "10.0.0.0/8"}, []string{"9.9.9.9, evil, 10.0.0.7"}, "10.0.0.7"},
		{"empty entry", loopback, []string{"9.9.9.9,"}, "127.0.0.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, accepted := acceptor()
			for _, p := range c.trusted {
				h.TrustedProxies = append(h.TrustedProxies, netip.MustParsePrefix(p))
			}
			d := &ws.Dialer{Header: http.Header{"X-Forwarded-For": c.forwarded}}
			dial(t, d, "ws://"+serve(t, ws.NewServer(h)))
			addr, ok := keep(t, accepted).RemoteAddr().(*net.TCPAddr)
			if !ok || addr.IP.String() != c.want {
				t.Errorf("got %v, want %s", addr, c.want)
			}
		})
	}
}

func TestHeaderFlood(t *testing.T) {
	h, _ := acceptor()
	c := rawDial(t, serve(t, ws.NewServer(h)))
	go func() {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n")
		for i := range 10 * limits.HTTPHeaderBytes {
			if _, err := fmt.Fprintf(c, "X-%d: y\r\n", i); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got status %d, want 431", resp.StatusCode)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || isTimeout(err) {
		t.Errorf("got %v, want an answer or a reset connection", err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestServerBounds(t *testing.T) {
	srv := ws.NewServer(http.NotFoundHandler())
	if srv.ReadHeaderTimeout != limits.HTTPHeaderTimeout || srv.MaxHeaderBytes != limits.HTTPHeaderBytes || srv.IdleTimeout != limits.HTTPIdle {
		t.Errorf("got %v, %d bytes, %v idle, want those of limits", srv.ReadHeaderTimeout, srv.MaxHeaderBytes, srv.IdleTimeout)
	}
}

// After the upgrade, bytes that are no WebSocket frames, or not allowed ones,
// end that pipe and nothing else.
func TestGarbageEndsThePipe(t *testing.T) {
	h, accepted := acceptor()
	host := serve(t, ws.NewServer(h))
	oversized := "\x82\xff\x00\x00\x00\x00\x7f\xff\xff\xff" + "mask" + strings.Repeat("x", limits.MaxRecord+100)
	cases := []struct {
		name, bytes string
		tooBig      bool
	}{
		{"not WebSocket at all", "GET / HTTP/1.1\r\n\r\n", false},
		{"unmasked frame", "\x82\x01x", false},
		{"reserved bits", "\xf2\x81maskx", false},
		{"unknown opcode", "\x83\x81maskx", false},
		{"continuation of nothing", "\x80\x81maskx", false},
		{"fragmented ping", "\x09\x81maskx", false},
		{"long ping", "\x89\xfe\x01\x00mask" + strings.Repeat("x", 256), false},
		{"negative length", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask", false},
		{"text", "\x81\x81maskx", false},
		{"oversized frame", oversized, true},
		{"oversized in fragments", strings.Repeat("\x02\xfe\x7f\xffmask"+strings.Repeat("x", 0x7fff)+"\x00\xfe\x7f\xffmask"+strings.Repeat("x", 0x7fff), 1) + "\x80\x82maskxx", true},
		{"cut in the head", "\x82", false},
		{"cut in the payload", "\x82\xfe\x10\x00maskabc", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			raw := rawDial(t, host)
			resp, _ := exchange(t, raw, upgradeRequest("Sec-WebSocket-Protocol: peermesh.2"))
			if resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("got status %d, want 101", resp.StatusCode)
			}
			got := make(chan error, 1)
			go func() {
				_, err := keep(t, accepted).Receive(func() []byte { return make([]byte, limits.MaxRecord+1) })
				got <- err
			}()
			if _, err := io.WriteString(raw, c.bytes); err != nil {
				t.Fatal(err)
			}
			_ = raw.(*net.TCPConn).CloseWrite()
			err := <-got
			if err == nil || errors.Is(err, transport.ErrMessageTooBig) != c.tooBig {
				t.Errorf("got %v, want an error (too big: %v)", err, c.tooBig)
			}
		})
	}
}

// A panic in Accept does not leave the socket open.
func TestPanicInAccept(t *testing.T) {
	h := &ws.Handler{Accept: func(transport.Conn) { panic("test") }}
	c := dial(t, &ws.Dialer{}, "ws://"+serve(t, ws.NewServer(h)))
	if _, err := c.Receive(func() []byte { return make([]byte, 10) }); !errors.Is(err, io.EOF) {
		t.Errorf("Receive: got %v, want io.EOF", err)
	}
}
