package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func lookupCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:      "lookup",
		Usage:     "print the relays that are nearest an ID or a Key",
		ArgsUsage: "ID|KEY",
		Description: describe("Prints the relays' IDs, the nearest first. A KEY is 64 hex digits, a point of the mesh's\n"+
			"space; that of an ID is its SHA-256. The node itself stands first if it is a relay of the mesh.",
			"peermesh lookup 3f9a07c1d2b84e5f60718293a4b5c6d7e8f90a1b --bootstrap ws://127.0.0.1:8080"),
		Flags:  actFlags(),
		Action: func(c *cli.Context) error { return lookup(c, std) },
	}
}

func lookup(c *cli.Context, std streams) error {
	if err := wantWords(c, "ID|KEY"); err != nil {
		return err
	}
	key, err := keyOf(c)
	if err != nil {
		return err
	}
	return asLeaf(c, std, func(ctx context.Context, n *node.Node) error {
		ids, err := n.Lookup(ctx, key)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(std.out, lookupLine{V: jsonVersion, Key: key.String(), Nearest: append([]routing.ID{}, ids...)})
		}
		for _, id := range ids {
			if _, err := fmt.Fprintln(std.out, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// keyOf reads the first argument: an ID, which has a Key, or a Key.
func keyOf(c *cli.Context) (routing.Key, error) {
	word := c.Args().First()
	if id, err := routing.ParseID(word); err == nil {
		return id.Key(), nil
	}
	key, err := routing.ParseKey(word)
	if err != nil {
		return key, &usageError{
			command: c.Command.Name,
			text:    fmt.Sprintf("invalid ID or Key %q: want 40 or 64 hex digits, got %d characters", word, len(word)),
		}
	}
	return key, nil
}
