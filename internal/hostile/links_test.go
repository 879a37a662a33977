package hostile_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// secureRelay starts a node that serves wss itself.
func secureRelay(t *testing.T) *node.Node {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return start(t, node.Config{
		Listen: "127.0.0.1:0", WebRTC: node.WebRTCOff,
		TLSCert: write("cert.pem", "CERTIFICATE", cert), TLSKey: write("key.pem", "PRIVATE KEY", private),
	})
}

// anyCertificate is for clients that do not care who answers.
var anyCertificate = hostile.Options{TLS: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}

// rawPipe is a Pipe that writes WebSocket by hand, so that it can stop anywhere.
type rawPipe struct {
	conn net.Conn
	in   *bufio.Reader
}

func openRaw(t *testing.T, n *node.Node) *rawPipe {
	t.Helper()
	conn, err := hostile.Connect(within(t, amply), url(n), hostile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if url(n)[:3] == "wss" {
		conn = tls.Client(conn, anyCertificate.TLS)
	}
	request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: " + hostile.Subprotocol + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	p := &rawPipe{conn, bufio.NewReader(conn)}
	if resp, err := http.ReadResponse(p.in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: got %v, %v", resp, err)
	}
	return p
}

// masked is a frame of a client, with a mask of zeros: head and payload.
func masked(first byte, payload []byte) (head, body []byte) {
	head = []byte{first, 0x80 | 126}
	head = binary.BigEndian.AppendUint16(head, uint16(len(payload)))
	return append(head, 0, 0, 0, 0), payload
}

func (p *rawPipe) Write(msg []byte) error {
	head, body := masked(0x82, msg)
	_, err := p.conn.Write(append(head, body...))
	return err
}

// Read returns the next binary message; a node sends each in one frame.
func (p *rawPipe) Read() ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(p.in, head); err != nil {
		return nil, err
	}
	size := int(head[1])
	if size == 126 {
		if _, err := io.ReadFull(p.in, head); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(head))
	}
	msg := make([]byte, size)
	_, err := io.ReadFull(p.in, msg)
	return msg, err
}

// end ends what is sent as TCP does, without a word of TLS.
func (p *rawPipe) end() error {
	c := p.conn
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return c.(*net.TCPConn).CloseWrite()
}

func (p *rawPipe) Close() error { return p.conn.Close() }

// catcher is a Pipe that keeps the next message instead of sending it.
type catcher struct {
	hostile.Pipe
	msg []byte
}

func (c *catcher) Write(msg []byte) error {
	c.msg = bytes.Clone(msg)
	return nil
}

// sealed is a genuine record of a link that was not sent.
func sealed(t *testing.T, l *hostile.Link) []byte {
	t.Helper()
	c := &catcher{Pipe: l.Pipe}
	l.Pipe = c
	if err := l.Send(wire.AppendPing(nil, [8]byte{1})); err != nil {
		t.Fatal(err)
	}
	l.Pipe = c.Pipe
	return c.msg
}

// A peer whose connection ends inside a message is lost, and is not called a forger:
// nothing that it sent so far is opened.
func TestConnectionThatEndsInsideAMessage(t *testing.T) {
	for name, serve := range map[string]func(*testing.T) *node.Node{
		"ws":  func(t *testing.T) *node.Node { return relay(t) },
		"wss": secureRelay,
	} {
		for cut, send := range map[string]func(record []byte) [][]byte{
			"behind a head":                             func(r []byte) [][]byte { head, _ := masked(0x82, r); return [][]byte{head} },
			"in the payload":                            func(r []byte) [][]byte { head, body := masked(0x82, r); return [][]byte{head, body[:len(body)/2]} },
			"behind a first fragment":                   func(r []byte) [][]byte { head, body := masked(0x02, r[:len(r)/2]); return [][]byte{head, body} },
			"behind a whole record as a first fragment": func(r []byte) [][]byte { head, body := masked(0x02, r); return [][]byte{head, body} },
			"behind the head of a close":                func([]byte) [][]byte { return [][]byte{{0x88, 0x82, 0, 0, 0, 0}} },
		} {
			t.Run(name+" "+cut, func(t *testing.T) {
				n := serve(t)
				self := hostile.NewSelf(wire.RoleRelay)
				p := openRaw(t, n)
				l, err := hostile.Join(p, self)
				if err != nil {
					t.Fatal(err)
				}
				until(t, "the link is up", func() bool { return peers(n, self.ID()) })
				if _, err := p.conn.Write(bytes.Join(send(sealed(t, l)), nil)); err != nil {
					t.Fatal(err)
				}
				if err := p.end(); err != nil {
					t.Fatal(err)
				}
				awaitDown(t, n, reason.CarrierFailed)
			})
		}
	}
}

// A node that serves wss speaks first on each link that it accepts, and goes on.
func TestNodeThatServesWSSSpeaks(t *testing.T) {
	n := secureRelay(t)
	for _, role := range []wire.Role{wire.RoleRelay, wire.RoleLeaf} {
		l, err := hostile.Dial(within(t, amply), url(n), hostile.NewSelf(role), anyCertificate)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.Run(hostile.Habits{})
		for i := range 3 {
			if err := l.Ping(within(t, amply), [8]byte{byte(i)}); err != nil {
				t.Fatalf("%v, ping %d: %v", role, i, err)
			}
		}
	}
}

// memPipe is a Pipe over memory.
type memPipe struct {
	transport.Conn
	writing *sync.Mutex // a Pong may come in between
}

func (p memPipe) Read() ([]byte, error) {
	return p.Receive(func() []byte { return make([]byte, p.Max()+1) })
}

func (p memPipe) Write(msg []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return errors.Join(p.Send(msg), p.Flush())
}

// What a peer sends in place of a record, or seals in place of a batch of frames, ends
// its link and nothing else, whatever carries it.
func TestMessagesThatAreNoBatches(t *testing.T) {
	plain := map[string]*node.Node{"ws": relay(t), "wss": secureRelay(t), "mem": start(t, node.Config{WebRTC: node.WebRTCOff})}
	open := map[string]func() (hostile.Pipe, error){
		"mem": func() (hostile.Pipe, error) {
			near, far := mem.Pipe()
			plain["mem"].Accept(far)
			return memPipe{near, new(sync.Mutex)}, nil
		},
	}
	for _, name := range []string{"ws", "wss"} {
		open[name] = func() (hostile.Pipe, error) { return hostile.Open(within(t, amply), url(plain[name]), anyCertificate) }
	}
	junk := [][]byte{{}, {0}, {0xff}, {0, 0}, {0, 1}, {0xff, 0xff}, {0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 1}, {0, 2, 0x80}, make([]byte, 15), make([]byte, 16), make([]byte, 65_000)}
	for name, n := range plain {
		for i, msg := range junk {
			for _, seal := range []bool{false, true} {
				if seal && len(msg) > 60_000 || seal && len(msg) == 0 { // an empty batch is one
					continue
				}
				t.Run(fmt.Sprintf("%s %d sealed=%v", name, i, seal), func(t *testing.T) {
					pipe, err := open[name]()
					if err != nil {
						t.Fatal(err)
					}
					self := hostile.NewSelf(wire.RoleRelay)
					l, err := hostile.Join(pipe, self)
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					l.Run(hostile.Habits{})
					until(t, "the link is up", func() bool { return peers(n, self.ID()) })
					if seal {
						err = l.SendBatch(msg)
					} else {
						err = pipe.Write(msg)
					}
					if err != nil {
						t.Fatal(err)
					}
					until(t, "the link is over", func() bool { return !peers(n, self.ID()) })
				})
			}
		}
	}
}
