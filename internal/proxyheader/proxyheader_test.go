package proxyheader

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// v2 is a header of version 2 with so many bytes of TLVs.
func v2(t *testing.T, client string, tlv int) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:80")))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	if tlv > 0 {
		b = append(b, 0xea, byte(tlv>>8), byte(tlv))
		b = append(b, make([]byte, tlv)...)
		binary.BigEndian.PutUint16(b[14:], uint16(len(b)-16))
	}
	return string(b)
}

// accepted is what came of a connection.
type accepted struct {
	addr             string
	data             string
	err              error
	told, undeclared bool
	refused          []error
}

// meet sends pieces, one write each, and returns what the listener's end saw.
func meet(t *testing.T, trusted string, pieces ...string) accepted {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	var got accepted
	l := &Listener{Listener: inner, Refused: func(_ net.Addr, why error) { got.refused = append(got.refused, why) }}
	if trusted != "" {
		l.Trusted = []netip.Prefix{netip.MustParsePrefix(trusted)}
	}
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	go func() {
		for _, p := range pieces {
			_, _ = io.WriteString(client, p)
		}
		_ = client.(*net.TCPConn).CloseWrite()
	}()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := nc.(*Conn)
	got.addr = nc.RemoteAddr().(*net.TCPAddr).IP.String()
	b, err := io.ReadAll(nc)
	got.data, got.err, got.told, got.undeclared = string(b), err, c.Told(), c.Undeclared()
	if at := c.SocketAddr().(*net.TCPAddr).IP; !at.IsLoopback() {
		t.Errorf("SocketAddr: got %v, want loopback", at)
	}
	if got.data != "" && c.Bare() != c.Conn {
		t.Error("Bare: got the connection itself once all was taken, want the one below")
	}
	return got
}

func TestHeaders(t *testing.T) {
	const own, client, rest = "127.0.0.1", "198.51.100.7", "GET / HTTP/1.1\r\n"
	v1 := "PROXY TCP4 " + client + " 192.0.2.1 1234 80\r\n"
	local2 := string(proxyproto.SIGV2) + "\x20\x00\x00\x00"
	split := func(text string) []string { return strings.Split(text, "") }
	for _, test := range []struct {
		name   string
		pieces []string
		addr   string
		data   string
	}{
		{"none", []string{rest}, own, rest},
		{"version 1", []string{v1 + rest}, client, rest},
		{"version 1, byte by byte", split(v1 + rest), client, rest},
		{"version 1, IPv6", []string{"PROXY TCP6 2001:db8::7 2001:db8::1 1234 80\r\n" + rest}, "2001:db8::7", rest},
		{"version 1, unknown", []string{"PROXY UNKNOWN\r\n" + rest}, own, rest},
		{"version 2", []string{v2(t, client+":1234", 0) + rest}, client, rest},
		{"version 2, byte by byte", split(v2(t, client+":1234", 0) + rest), client, rest},
		{"version 2, IPv6", []string{v2(t, "[2001:db8::7]:1234", 0) + rest}, "2001:db8::7", rest},
		{"version 2 with the most", []string{v2(t, client+":1234", limits.ProxyHeaderBytes-31) + rest}, client, rest},
		{"version 2, of the proxy itself", []string{local2 + rest}, own, rest},
		{"much that follows", []string{v1, strings.Repeat("x", 1<<16)}, client, strings.Repeat("x", 1<<16)},
		{"what begins alike", []string{"PRO", "PFIND / HTTP/1.1\r\n"}, own, "PROPFIND / HTTP/1.1\r\n"},
		{"no more than the beginning", []string{"\r\n\r\n"}, own, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := meet(t, "127.0.0.0/8", test.pieces...)
			if got.addr != test.addr || got.data != test.data || got.err != nil || got.told != (test.addr != own) || got.undeclared || got.refused != nil {
				t.Errorf("of a trusted proxy: got %+v, want %s and %.40q", got, test.addr, test.data)
			}
			got = meet(t, "::ffff:10.0.0.0/104", test.pieces...)
			header := len(strings.Join(test.pieces, "")) > len(test.data) && test.data != ""
			if got.addr != own || got.data != test.data || got.told || got.undeclared != header || (len(got.refused) == 1 && errors.Is(got.refused[0], ErrUndeclared)) != header {
				t.Errorf("of nobody's proxy: got %+v, want %s, %.40q and undeclared %t", got, own, test.data, header)
			}
		})
	}
}

// What is no header of the protocol ends the connection of a trusted proxy, and is not
// read beyond the bound.
func TestWrongHeaders(t *testing.T) {
	long := bytes.NewBufferString(string(proxyproto.SIGV2) + "\x21\x11")
	_ = binary.Write(long, binary.BigEndian, uint16(limits.ProxyHeaderBytes-15))
	for name, text := range map[string]string{
		"version 1 without an end":         "PROXY TCP4 " + strings.Repeat("1", 200),
		"version 1 of odd words":           "PROXY TCP4 a b c d\r\nGET / HTTP/1.1\r\n",
		"version 2 with more than allowed": long.String() + strings.Repeat("x", 2*limits.ProxyHeaderBytes),
		"version 3":                        string(proxyproto.SIGV2) + "\x31\x11\x00\x0c" + strings.Repeat("x", 12),
		"version 2, too short":             string(proxyproto.SIGV2) + "\x21\x11\x00\x04xxxx",
	} {
		t.Run(name, func(t *testing.T) {
			got := meet(t, "127.0.0.1/32", text)
			if got.err == nil || got.data != "" || got.told || len(got.refused) != 1 || errors.Is(got.refused[0], ErrUndeclared) {
				t.Errorf("of a trusted proxy: got %+v, want an error and nothing to read", got)
			}
			got = meet(t, "", text)
			if !got.undeclared || got.told || len(got.refused) != 1 || !errors.Is(got.refused[0], ErrUndeclared) {
				t.Errorf("of nobody's proxy: got %+v, want it undeclared", got)
			}
		})
	}
}

// A trusted proxy that says nothing keeps nobody: neither Accept, nor SocketAddr, nor
// RemoteAddr for longer than a header may take.
func TestSilentProxy(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := &Listener{Listener: inner, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if at := nc.(*Conn).SocketAddr().String(); at != client.LocalAddr().String() {
		t.Errorf("SocketAddr: got %s, want the client's %v", at, client.LocalAddr())
	}
	if at := nc.RemoteAddr().String(); at != client.LocalAddr().String() { // it waits for a header, and gives up
		t.Errorf("RemoteAddr: got %s, want the socket's %v", at, client.LocalAddr())
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("Read: got no error after the time for a header")
	}

	waiting, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if nc, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		nc.RemoteAddr()
	}()
	_ = nc.Close() // ends the wait
	<-asked
}

// Requests of a server know their connection, below TLS too.
func TestContext(t *testing.T) {
	c := &Conn{}
	for _, nc := range []net.Conn{c, tls.Server(c, &tls.Config{})} {
		if got := Of(Context(context.Background(), nc)); got != c {
			t.Errorf("%T: got %v, want the connection", nc, got)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	_ = b.SetDeadline(time.Now())
	if got := Of(Context(context.Background(), a)); got != nil {
		t.Errorf("another connection: got %v, want none", got)
	}
}
