//go:build linux

package natlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// nodeRole is a program with a node in it, as any user of the library has: a
// leaf that joins by the URLs of its arguments. Lines on standard input make it
// act; the answer to each is one told.
//
//	connect ID   makes a direct link
//	send ID      sends an acknowledged message
//	stream ID    sends many, for streamTime; one answer after the first, one at the end
//	look ID      does nothing
func nodeRole() error {
	n, err := node.New(node.Config{Bootstrap: os.Args[1:], Leaf: true})
	if err != nil {
		return err
	}
	defer n.Close()
	n.Handle(node.HandlerFunc(func(context.Context, *node.Message) {}))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return err
	}
	print := json.NewEncoder(os.Stdout)
	if err := print.Encode(told{ID: n.ID().String()}); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var verb, id string
		if _, err := fmt.Sscan(in.Text(), &verb, &id); err != nil {
			return err
		}
		to, err := routing.ParseID(id)
		if err != nil {
			return err
		}
		if verb == "stream" {
			if err := print.Encode(act(n, "send", to)); err != nil {
				return err
			}
		}
		if err := print.Encode(act(n, verb, to)); err != nil {
			return err
		}
	}
	return nil
}

// told is what a node says of itself or of what it did.
type told struct {
	ID      string        `json:",omitempty"`
	Admin   string        `json:",omitempty"` // the built program's page
	Took    time.Duration `json:",omitempty"`
	Stage   string        `json:",omitempty"` // that a Connect ended at
	Cause   string        `json:",omitempty"` // why it failed; empty: it did not
	Sent    int           `json:",omitempty"` // messages of a stream
	Slowest time.Duration `json:",omitempty"` // of them, until it was acknowledged
	Link    *link         `json:",omitempty"` // with the peer
}

func act(n *node.Node, verb string, to routing.ID) told {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var answer told
	var err error
	began := time.Now()
	switch verb {
	case "connect":
		err = n.Connect(ctx, to)
	case "send":
		err = n.Send(ctx, to, []byte("hello"))
	case "stream":
		answer.Sent, answer.Slowest, err = stream(ctx, n, to)
	}
	answer.Took = time.Since(began)
	if err != nil {
		answer.Cause = err.Error()
	}
	if failed := (*node.ConnectError)(nil); errors.As(err, &failed) {
		answer.Stage = failed.Stage
	}
	answer.Link = linkWith(n, to)
	return answer
}

// A stream has three times the bytes by which a pair is one that talks much.
const (
	streamTime    = 6 * time.Second
	streamPause   = 10 * time.Millisecond
	streamMessage = 3 * int(limits.HotBytes*streamPause/time.Second)
)

// stream sends a message each streamPause, none of which waits for another. The
// error is that of the messages that were not acknowledged.
func stream(ctx context.Context, n *node.Node, to routing.ID) (sent int, slowest time.Duration, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	text := make([]byte, streamMessage)
	tick := time.NewTicker(streamPause)
	defer tick.Stop()
	for end := time.Now().Add(streamTime); time.Now().Before(end); <-tick.C {
		sent++
		all.Go(func() {
			began := time.Now()
			failed := n.Send(ctx, to, text)
			mu.Lock()
			defer mu.Unlock()
			slowest, err = max(slowest, time.Since(began)), errors.Join(err, failed)
		})
	}
	all.Wait()
	return sent, slowest, err
}

// link is what counts here of a link.
type link struct {
	Transport string
	Path      string // types of the candidates in use, such as "host/srflx"
	Address   string // of the peer
	Count     int    // of links with the peer
}

// linkWith returns the link with a peer, nil if there is none.
func linkWith(n *node.Node, id routing.ID) (l *link) {
	for _, p := range n.Peers() {
		if p.ID == id && l == nil {
			l = &link{Transport: p.Transport, Path: p.Path, Address: p.Address}
		}
		if p.ID == id {
			l.Count++
		}
	}
	return l
}
