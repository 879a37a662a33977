//lint:file-ignore SA1019 nhooyr.io/websocket was asked for by name, see internal/ws.

package hostile

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"nhooyr.io/websocket"
)

// A Pipe moves whole messages. [Open] makes one over WebSocket; a test may
// bring another. One goroutine at a time reads and one writes.
type Pipe interface {
	Read() ([]byte, error)
	Write(msg []byte) error
	Close() error // at once, without a goodbye
}

// Options say how a node is dialled.
type Options struct {
	TLS          *tls.Config // for wss
	Header       http.Header // such as Origin and X-Forwarded-For
	Host         string      // in place of the URL's
	Source       netip.Addr  // the local address; zero: any
	Subprotocols []string    // nil: Subprotocol
	ReadBuffer   int         // bytes that the kernel keeps for who does not read; 0: as many as it likes
}

// maxRead is more than any message of a node that keeps the rules.
const maxRead = 1 << 20

// Open connects to a ws or wss URL and upgrades. It says nothing yet.
func Open(ctx context.Context, rawURL string, opts Options) (Pipe, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	u.Fragment = ""
	protocols := opts.Subprotocols
	if protocols == nil {
		protocols = []string{Subprotocol}
	}
	t := opts.transport()
	c, _, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: t}, HTTPHeader: opts.Header, Host: opts.Host,
		Subprotocols: protocols, CompressionMode: websocket.CompressionDisabled,
	})
	t.CloseIdleConnections()
	if err != nil {
		return nil, err
	}
	return newPipe(c), nil
}

func (o *Options) transport() *http.Transport {
	return &http.Transport{DialContext: o.dial, TLSClientConfig: o.TLS.Clone(), DisableKeepAlives: true}
}

func (o *Options) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := o.dialer().DialContext(ctx, network, addr)
	if tcp, ok := conn.(*net.TCPConn); ok && o.ReadBuffer > 0 {
		err = tcp.SetReadBuffer(o.ReadBuffer)
	}
	return conn, err
}

func (o *Options) dialer() *net.Dialer {
	if !o.Source.IsValid() {
		return &net.Dialer{}
	}
	return &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(o.Source, 0))}
}

// Connect opens a TCP connection to the host of a URL, on which nothing was
// said, and TLS neither: for who stops before the upgrade or writes its own.
func Connect(ctx context.Context, rawURL string, opts Options) (net.Conn, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return opts.dialer().DialContext(ctx, "tcp", u.Host)
}

// socket is a Pipe over WebSocket.
type socket struct{ c *websocket.Conn }

func newPipe(c *websocket.Conn) Pipe {
	c.SetReadLimit(maxRead)
	return socket{c}
}

func (s socket) Read() ([]byte, error) {
	t, msg, err := s.c.Read(context.Background())
	if err == nil && t != websocket.MessageBinary {
		err = errors.New("hostile: the node sent a text message")
	}
	return msg, err
}

func (s socket) Write(msg []byte) error {
	return s.c.Write(context.Background(), websocket.MessageBinary, msg)
}

func (s socket) Close() error { return s.c.CloseNow() }
