// Package wsconn makes chains of WebSocket connections over loopback TCP with
// nhooyr.io/websocket: A - relay - C, or with two relays between the ends.
package wsconn

//lint:file-ignore SA1019 the project is built on this module; its successor has the same API

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"nhooyr.io/websocket"
)

// MaxMessage is the longest message read, in bytes: a full record of 65,535 B
// and some slack.
const MaxMessage = 65535 + 512

// dialLimit bounds one handshake on loopback.
const dialLimit = 5 * time.Second

// Conn is one end of a connection. Its messages are binary, not compressed.
type Conn struct {
	ws *websocket.Conn
	// Cork holds back what is written, if the connection was made with one.
	Cork *Cork
}

func newConn(ws *websocket.Conn, cork *Cork) *Conn {
	ws.SetReadLimit(MaxMessage)
	return &Conn{ws: ws, Cork: cork}
}

// Write sends one message.
func (c *Conn) Write(msg []byte) error {
	return c.ws.Write(context.Background(), websocket.MessageBinary, msg)
}

// Read waits for a message, then calls buf for the memory to read it into (so
// that an idle connection holds none) and returns the part that it filled. The
// buffer is grown when the message needs it.
func (c *Conn) Read(buf func() []byte) ([]byte, error) {
	_, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	b := buf()[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Close ends the connection at once.
func (c *Conn) Close() error {
	err := c.ws.CloseNow()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Link is a connection between two neighbours of which both ends are here. The
// left end dialled.
type Link struct{ Left, Right *Conn }

// Close ends the link.
func (l Link) Close() error { return errors.Join(l.Left.Close(), l.Right.Close()) }

// Server accepts connections on a loopback port of its own.
type Server struct {
	corked   bool
	listener net.Listener
	http     *http.Server
	accepted chan accepted
	serving  sync.WaitGroup
}

type accepted struct {
	conn *Conn
	err  error
}

// NewServer starts a server. With corked, both ends of its links have a [Cork].
func NewServer(corked bool) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{corked: corked, listener: l, accepted: make(chan accepted, 1)}
	s.http = &http.Server{Handler: http.HandlerFunc(s.accept), ReadHeaderTimeout: dialLimit}
	s.serving.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

func (s *Server) accept(w http.ResponseWriter, r *http.Request) {
	var cork *Cork
	if s.corked {
		w = &corkedWriter{w, &cork}
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.accepted <- accepted{nil, err}
		return
	}
	s.accepted <- accepted{newConn(ws, cork), nil}
}

// Link dials addr, which leads to s, and returns both ends. One call at a time.
func (s *Server) Link(addr string) (Link, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	left, err := dial(ctx, addr, s.corked)
	if err != nil {
		return Link{}, err
	}
	select {
	case a := <-s.accepted:
		return Link{left, a.conn}, a.err
	case <-ctx.Done():
		return Link{}, errors.Join(ctx.Err(), left.Close())
	}
}

// Close stops accepting. Links go on.
func (s *Server) Close() error {
	err := s.http.Close()
	s.serving.Wait()
	return err
}

func dial(ctx context.Context, addr string, corked bool) (*Conn, error) {
	var cork *Cork
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil || !corked {
				return conn, err
			}
			cork, err = newCork(conn)
			return cork, err
		},
	}
	ws, _, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: transport},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	return newConn(ws, cork), nil
}

// Chain connects A over the given number of relays to C. Link 0 is the one that
// A dialled; its address goes through via. The last link is dialled by C, so
// its left end is C's; those between are dialled by the relay nearer to A.
// Each relay i holds two ends: see [Relay].
func Chain(relays int, corked bool, via func(addr string) (string, error)) ([]Link, error) {
	links := make([]Link, 0, relays+1)
	for i := range relays {
		server, err := NewServer(corked)
		if err != nil {
			return nil, errors.Join(err, closeAll(links))
		}
		addr := server.Addr()
		if i == 0 {
			addr, err = via(addr)
		}
		for n := 0; err == nil && n < dialled(i, relays); n++ {
			var link Link
			if link, err = server.Link(addr); err == nil {
				links = append(links, link)
			}
			addr = server.Addr()
		}
		if err = errors.Join(err, server.Close()); err != nil {
			return nil, errors.Join(err, closeAll(links))
		}
	}
	return links, nil
}

// dialled is how many links relay i accepts: from the left, and the last also from C.
func dialled(i, relays int) int {
	if i == relays-1 {
		return 2
	}
	return 1
}

// Relay returns the ends that relay i of a chain holds, the one nearer A first.
func Relay(links []Link, i int) (left, right *Conn) {
	if i == len(links)-2 {
		return links[i].Right, links[i+1].Right
	}
	return links[i].Right, links[i+1].Left
}

func closeAll(links []Link) error {
	var err error
	for _, l := range links {
		err = errors.Join(err, l.Close())
	}
	return err
}
