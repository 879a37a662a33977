package ws_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/ws"
)

// A server accepts a pipe, a client dials one.
func Example() {
	received := make(chan string)
	server := httptest.NewServer(&ws.Handler{Accept: func(conn transport.Conn) {
		go func() {
			defer conn.Close()
			msg, err := conn.Receive(func() []byte { return make([]byte, conn.Max()+1) })
			received <- fmt.Sprintf("%s %v", msg, err)
		}()
	}})
	defer server.Close()

	u, err := url.Parse(strings.Replace(server.URL, "http", "ws", 1))
	if err != nil {
		log.Fatal(err)
	}
	conn, err := new(ws.Dialer).Dial(context.Background(), u)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Send([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-received)
	// Output: hello <nil>
}
