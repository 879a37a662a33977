package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
	"github.com/peermesh/peermesh/transport/ws"
)

// Send gathers, Flush hands over: many messages cost one system call.
func ExampleConn() {
	var a, b transport.Conn = mem.Pipe()
	defer a.Close()
	defer b.Close()

	for _, text := range []string{"one", "two"} {
		if err := a.Send([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	if done, err := a.TryFlush(); err == nil && !done {
		err = a.Flush() // on a goroutine that may block
		fmt.Println(err)
	}
	memory := make([]byte, b.Max()+1)
	for range 2 {
		msg, err := b.Receive(func() []byte { return memory })
		fmt.Printf("%s %v\n", msg, err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

// A URL that a stranger told of leads nowhere near the own machine.
func ExampleWithAddressCheck() {
	ctx := transport.WithAddressCheck(context.Background(), func(a netip.Addr) error {
		if a.IsLoopback() || a.IsPrivate() {
			return errors.New("not for strangers to tell of")
		}
		return nil
	})
	_, err := new(ws.Dialer).Dial(ctx, &url.URL{Scheme: "ws", Host: "127.0.0.1:8080"})
	fmt.Println(errors.Is(err, transport.ErrAddress))
	// Output: true
}
