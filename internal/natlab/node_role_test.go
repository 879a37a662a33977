//go:build linux

package natlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// nodeRole is a program with a node in it, as any user of the library has: a
// leaf that joins by the URL of its argument. Lines on standard input make it
// act; the answer to each is one told.
//
//	connect ID   makes a direct link
//	send ID      sends an acknowledged message
//	links ID     tells the link with a peer
func nodeRole() error {
	n, err := node.New(node.Config{Bootstrap: os.Args[1:2], Leaf: true})
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
		answer, err := act(n, verb, id)
		if err != nil {
			return err
		}
		if err := print.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// told is what a node says of itself or of what it did.
type told struct {
	ID    string        `json:",omitempty"`
	Took  time.Duration `json:",omitempty"`
	Stage string        `json:",omitempty"` // that a Connect ended at
	Cause string        `json:",omitempty"` // why it failed; empty: it did not
	Link  *link         `json:",omitempty"` // with the peer
}

func act(n *node.Node, verb, to string) (told, error) {
	id, err := routing.ParseID(to)
	if err != nil {
		return told{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	switch verb {
	case "connect":
		err = n.Connect(ctx, id)
	case "send":
		err = n.Send(ctx, id, []byte("hello"))
	}
	answer := told{Took: time.Since(began)}
	if err != nil {
		answer.Cause = err.Error()
	}
	if failed := (*node.ConnectError)(nil); errors.As(err, &failed) {
		answer.Stage = failed.Stage
	}
	answer.Link, err = linkWith(n, to)
	return answer, err
}

// link is what counts here of a node's peers in JSON.
type link struct {
	ID, Transport string
	Path          string // types of the candidates in use, such as "host/srflx"
}

// linkWith returns the link with a peer, nil if there is none.
func linkWith(n *node.Node, id string) (*link, error) {
	text, err := json.Marshal(n.Peers())
	if err != nil {
		return nil, err
	}
	var all []link
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.ID == id {
			return &l, nil
		}
	}
	return nil, nil
}
