//lint:file-ignore SA1019 nhooyr.io/websocket was asked for by name. It is frozen and continued as
// github.com/coder/websocket with the same API: the swap is the import line below.

package ws

import (
	"context"
	"errors"
	"io"
	"net/http"

	"nhooyr.io/websocket"
)

// Type is the type of a message.
type Type int

// The types of messages (RFC 6455, section 5.6).
const (
	Text   = Type(websocket.MessageText)   // UTF-8
	Binary = Type(websocket.MessageBinary) // bytes
)

// socket is a connection of the library. Contexts are those of the background
// throughout: one that ends would close the connection.
type socket struct{ c *websocket.Conn }

// dialSocket upgrades by means of client. The response is nil if there was none.
func dialSocket(ctx context.Context, url string, client *http.Client, opts *DialOptions) (socket, *http.Response, error) {
	c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:      client,
		HTTPHeader:      opts.Header,
		Subprotocols:    opts.Subprotocols,
		CompressionMode: websocket.CompressionDisabled,
	})
	return socket{c}, resp, err
}

// acceptSocket upgrades a request of any Origin: whoever connects proves in
// band who it is, and no cookie counts.
func acceptSocket(w http.ResponseWriter, r *http.Request, subprotocols []string) (socket, error) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       subprotocols,
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
	})
	return socket{c}, err
}

func (s socket) subprotocol() string { return s.c.Subprotocol() }

// setLimit bounds a message as the library sees it.
func (s socket) setLimit(bytes int) { s.c.SetReadLimit(int64(bytes)) }

// next waits for a message.
func (s socket) next() (Type, io.Reader, error) {
	t, r, err := s.c.Reader(context.Background())
	return Type(t), r, err
}

// write writes one message as one frame.
func (s socket) write(t Type, msg []byte) error {
	return s.c.Write(context.Background(), websocket.MessageType(t), msg)
}

// closeNow ends the connection and the library's goroutine.
func (s socket) closeNow() { _ = s.c.CloseNow() }

// close writes a close frame and waits for the peer's, up to 5 s each.
func (s socket) close(code int, reason string) {
	_ = s.c.Close(websocket.StatusCode(code), reason)
}

// closeError finds the peer's close frame in an error of the library.
func closeError(err error) (*CloseError, bool) {
	var ce websocket.CloseError
	if !errors.As(err, &ce) {
		return nil, false
	}
	return &CloseError{Code: int(ce.Code), Reason: ce.Reason}, true
}
