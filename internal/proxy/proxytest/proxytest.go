// Package proxytest has small forward proxies for tests.
package proxytest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Proxy is a running proxy. It ends with its test.
type Proxy struct {
	Address string // host:port

	user, password string
	status         int
	lead           func(target string) string
	talk           func(p *Proxy, c net.Conn)

	mu    sync.Mutex
	asked []string
	conns map[net.Conn]bool
	over  bool
	wg    sync.WaitGroup
}

// Options say how a proxy is. The zero value lets everybody go everywhere.
type Options struct {
	User, Password string
	Status         int                        // refuse everything with it; of SOCKS5 a reply. 0: do not
	Lead           func(target string) string // where a target is; nil: where it says
	TLS            *tls.Config                // of an HTTP proxy; nil: plain TCP
}

// HTTP starts a proxy that does CONNECT.
func HTTP(t testing.TB, o Options) *Proxy { return start(t, o, (*Proxy).http) }

// SOCKS5 starts a SOCKS5 proxy.
func SOCKS5(t testing.TB, o Options) *Proxy { return start(t, o, (*Proxy).socks5) }

func start(t testing.TB, o Options, talk func(*Proxy, net.Conn)) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Address: l.Addr().String(), user: o.User, password: o.Password, status: o.Status, lead: o.Lead, talk: talk,
		conns: make(map[net.Conn]bool),
	}
	if o.TLS != nil {
		l = tls.NewListener(l, o.TLS)
	}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.run(c, func() { p.talk(p, c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.over = true
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// run runs f and closes c after it, or with the proxy.
func (p *Proxy) run(c net.Conn, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		_ = c.Close()
		return
	}
	p.conns[c] = true
	p.wg.Go(func() {
		f()
		_ = c.Close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	})
}

// Asked are the targets that it was asked for, "host:port", in their order.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// to opens the way to a target.
func (p *Proxy) to(target string) (net.Conn, error) {
	p.mu.Lock()
	p.asked = append(p.asked, target)
	p.mu.Unlock()
	if p.lead != nil {
		target = p.lead(target)
	}
	return net.Dial("tcp", target)
}

func (p *Proxy) http(c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	refuse := func(status int, header string) {
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sContent-Length: 0\r\n\r\n", status, http.StatusText(status), header)
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password))
	switch {
	case req.Method != http.MethodConnect:
		refuse(http.StatusMethodNotAllowed, "")
		return
	case p.user != "" && req.Header.Get("Proxy-Authorization") != want:
		refuse(http.StatusProxyAuthRequired, "Proxy-Authenticate: Basic realm=\"x\"\r\n")
		return
	case p.status != 0:
		refuse(p.status, "")
		return
	}
	far, err := p.to(req.RequestURI)
	if err != nil {
		refuse(http.StatusBadGateway, "")
		return
	}
	fmt.Fprint(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	p.join(c, r, far)
}

// The bytes of SOCKS5 (RFC 1928 and 1929).
const (
	version5    = 5
	noUser      = 0
	withUser    = 2
	noMethod    = 0xff
	isIPv4      = 1
	isName      = 3
	isIPv6      = 4
	hostIsAway  = 4
	userVersion = 1
)

func (p *Proxy) socks5(c net.Conn) {
	r := bufio.NewReader(c)
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil || head[0] != version5 {
		return
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(r, methods); err != nil {
		return
	}
	method := byte(noUser)
	if p.user != "" {
		method = withUser
	}
	if !slices.Contains(methods, method) {
		_, _ = c.Write([]byte{version5, noMethod})
		return
	}
	_, _ = c.Write([]byte{version5, method})
	if method == withUser && !p.checked(c, r) {
		return
	}
	target, ok := request(r)
	if !ok {
		return
	}
	answer := []byte{version5, byte(p.status), 0, isIPv4, 0, 0, 0, 0, 0, 0}
	if p.status != 0 {
		_, _ = c.Write(answer)
		return
	}
	far, err := p.to(target)
	if err != nil {
		answer[1] = hostIsAway
		_, _ = c.Write(answer)
		return
	}
	_, _ = c.Write(answer)
	p.join(c, r, far)
}

// checked asks for user and password.
func (p *Proxy) checked(c net.Conn, r *bufio.Reader) bool {
	_, _ = r.ReadByte()
	user, okUser := text(r)
	password, okPassword := text(r)
	if !okUser || !okPassword {
		return false
	}
	if user != p.user || password != p.password {
		_, _ = c.Write([]byte{userVersion, 1})
		return false
	}
	_, _ = c.Write([]byte{userVersion, 0})
	return true
}

// text reads a length of one byte and as many bytes.
func text(r *bufio.Reader) (string, bool) {
	n, err := r.ReadByte()
	if err != nil {
		return "", false
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err == nil
}

// request reads where the client wants to go.
func request(r *bufio.Reader) (target string, ok bool) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", false
	}
	host := ""
	switch head[3] {
	case isName:
		if host, ok = text(r); !ok {
			return "", false
		}
	case isIPv4, isIPv6:
		ip := make(net.IP, map[byte]int{isIPv4: 4, isIPv6: 16}[head[3]])
		if _, err := io.ReadFull(r, ip); err != nil {
			return "", false
		}
		host = ip.String()
	}
	port := make([]byte, 2)
	_, err := io.ReadFull(r, port)
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), err == nil
}

// join copies both ways until one ends.
func (p *Proxy) join(c net.Conn, r io.Reader, far net.Conn) {
	p.run(far, func() {
		_, _ = io.Copy(c, far)
		_ = c.Close()
	})
	_, _ = io.Copy(far, r)
	_ = far.Close()
}
