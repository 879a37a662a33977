// Command embed-http gives a web server a place in a mesh: one listener and one
// mux serve the application and, at a path beside it, the links of a node.
//
//	go run ./examples/embed-http
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// The node opens no port. The URL is what others dial: this listener, and the
	// path at which the mux gives links to the node.
	url := "ws://" + listener.Addr().String() + "/mesh"
	n, err := node.New(node.Config{PublicURLs: []string{url}, MaxLeaves: 256})
	if err != nil {
		return err
	}
	defer n.Close()

	mux := http.NewServeMux()
	mux.Handle("/mesh", n)
	mux.HandleFunc("/ask/{id}", func(w http.ResponseWriter, r *http.Request) { ask(w, r, n) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()
	go server.Serve(listener) // ends with Close

	// Somebody joins by the web server and answers questions.
	guest, err := node.New(node.Config{Bootstrap: []string{url}, Leaf: true})
	if err != nil {
		return err
	}
	defer guest.Close()
	guest.Handle(node.HandlerFunc(func(ctx context.Context, m *node.Message) {
		_ = m.Reply(ctx, []byte("nobody dialled me, and you found me")) // an error: who asked is gone
	}))
	if err := guest.Ready(context.Background()); err != nil {
		return err
	}
	page, err := http.Get("http://" + listener.Addr().String() + "/ask/" + guest.ID().String())
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, page.Body)
	return err
}

// ask is a page of the application: what the node with that ID answers.
func ask(w http.ResponseWriter, r *http.Request, n *node.Node) {
	var answer []byte
	id, err := routing.ParseID(r.PathValue("id"))
	if err == nil {
		answer, err = n.Request(r.Context(), id, []byte("how are you?"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "the guest says %q\n", answer)
}
