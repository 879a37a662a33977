//lint:file-ignore SA1019 nhooyr.io/websocket was asked for by name, see internal/ws.

package hostile

import (
	"net"
	"net/http"
	"sync"
	"time"

	"nhooyr.io/websocket"
)

// Server is a client that others dial.
type Server struct {
	URL string // ws://127.0.0.1:port

	server http.Server
	mu     sync.Mutex
	open   []Pipe
	wg     sync.WaitGroup
}

// Serve listens on loopback and calls accept with each upgraded connection, on
// a goroutine of its own; [Take] runs the handshake. Pipes are closed by Close.
func Serve(accept func(Pipe)) (*Server, error) { return ServeAt(0, accept) }

// ServeAt is Serve by a clock that is so far ahead: its answers say so.
func ServeAt(ahead time.Duration, accept func(Pipe)) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "ws://" + l.Addr().String()}
	s.server.ReadHeaderTimeout = time.Minute
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{Subprotocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
		})
		if err != nil {
			return
		}
		p := newPipe(c)
		s.mu.Lock()
		s.open = append(s.open, p)
		s.mu.Unlock()
		accept(p)
	})
	s.wg.Go(func() { _ = s.server.Serve(l) })
	return s, nil
}

// Close ends the server and all its pipes.
func (s *Server) Close() error {
	err := s.server.Close()
	s.mu.Lock()
	for _, p := range s.open {
		_ = p.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}
