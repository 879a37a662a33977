//go:build !nowebrtc

package webrtc_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/transport/webrtc"
)

// Two ends in one program. Their texts go from one to the other by hand here; nodes
// send them through the mesh.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	endpoint, err := webrtc.New(webrtc.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer endpoint.Close()

	// Both are on this machine, so loopback addresses are told and taken.
	setup := webrtc.Setup{Tell: netip.Addr.IsLoopback, Take: netip.Addr.IsLoopback}
	offer, err := endpoint.Offer(ctx, setup)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := endpoint.Answer(ctx, setup, offer.Description())
	if err != nil {
		log.Fatal(err)
	}
	if err := offer.SetAnswer(ctx, answer.Description()); err != nil {
		log.Fatal(err)
	}
	tell := func(from, to *webrtc.Attempt) { // what was found later
		for line := range from.Candidates() {
			_ = to.AddCandidate(line) // an error: the other end is gone
		}
	}
	go tell(offer, answer)
	go tell(answer, offer)
	a, err := offer.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := answer.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	if err := a.Send([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	if err := a.Flush(); err != nil {
		log.Fatal(err)
	}
	msg, err := b.Receive(func() []byte { return make([]byte, b.Max()+1) })
	fmt.Printf("%s %v by %s\n", msg, err, b.Kind())
	// Output: hello <nil> by webrtc
}

// An address of a server that helps, as users write it.
func ExampleParseServer() {
	server, err := webrtc.ParseServer("turn:me:secret@relay.example")
	fmt.Println(server.Host, server.User, server.Relay, err)
	_, err = webrtc.ParseServer("relay.example")
	fmt.Println(err)
	// Output:
	// relay.example:3478 me true <nil>
	// "relay.example" is no kind of ICE server known here: want stun:host:port or turn:user:password@host:port
}
