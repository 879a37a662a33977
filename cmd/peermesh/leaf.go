package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// leaveTime is how long a command that is done waits for its goodbye to be
// written: the peers learn of the end at once, and nobody waits for them.
const leaveTime = 500 * time.Millisecond

// The homes of a leaf: one that does one thing and goes needs no second, one that
// stays must outlive the first.
const (
	oneHome  = 1
	allHomes = 0 // as many as the node thinks best
)

// noBootstrap: a command that acts has no way into a mesh.
func noBootstrap(command string) error {
	return &usageError{
		command: command,
		text:    "no bootstrap URL: " + command + " joins a mesh by a running node",
		hints: []string{
			"give --bootstrap ws://host:port, or set PEERMESH_BOOTSTRAP",
			"no node yet? peermesh --port 8080 starts one and prints its URL",
		},
	}
}

// startLeaf starts the node of a command that acts, with so many homes. Its handler, if it has
// one, is set before the mesh can reach it; so joining is a step of its own.
func startLeaf(c *cli.Context, std streams, homes int) (*node.Node, error) {
	warnOfVariables(std.err)
	cfg, err := meshConfig(c, std)
	if err != nil {
		return nil, err
	}
	if len(cfg.Bootstrap) == 0 {
		return nil, noBootstrap(c.Command.Name)
	}
	overrule(&cfg, fromCommand(c))
	cfg.Leaf, cfg.Homes = true, homes
	n, err := node.New(cfg)
	if err != nil {
		return nil, &startError{err}
	}
	return n, nil
}

// asLeaf joins the mesh, calls do with a context that ends at --timeout, and
// leaves.
func asLeaf(c *cli.Context, std streams, do func(ctx context.Context, n *node.Node) error) error {
	n, err := startLeaf(c, std, oneHome)
	if err != nil {
		return err
	}
	defer leave(n, leaveTime)
	for _, w := range n.Status().Warnings {
		writeWarning(std.err, w.Text, w.Hint)
	}
	ctx, cancel := context.WithTimeout(c.Context, get[time.Duration](c, "timeout"))
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return err
	}
	return do(ctx, n)
}

// leave says goodbye to the peers for at most the time given, then ends the node.
func leave(n *node.Node, atMost time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	err := n.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // a peer that does not read its goodbye is no error of ours
	}
	return errors.Join(err, n.Close())
}

// onPort returns a port of the node to send from, and what --on names of another.
// The port is closed with the node.
func onPort(c *cli.Context, n *node.Node, to routing.ID) (*node.Port, node.Addr, error) {
	p, err := n.OpenPort(0, node.HandlerFunc(func(context.Context, *node.Message) {})) // nobody knows it to send to it
	return p, node.Addr{ID: to, Port: uint16(get[int](c, "on"))}, err
}
