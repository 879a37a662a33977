package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/node"
)

func idCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:  "id",
		Usage: "print the ID of an identity",
		Description: describe("Prints the ID that nodes started with the same --state have; the first call makes the\n"+
			"identity. Without --state it prints a fresh ID that nobody will have.",
			"peermesh id --state ~/.local/state/peermesh"),
		Flags: []cli.Flag{
			textFlag("state", "`DIR` that keeps the identity"),
			boolFlag("json", "print JSON"),
		},
		Action: func(c *cli.Context) error { return printID(c, std) },
	}
}

func printID(c *cli.Context, std streams) error {
	if err := wantWords(c); err != nil {
		return err
	}
	warnOfVariables(std.err)
	id, err := node.LoadID(c.String("state"))
	if err != nil {
		return &startError{err}
	}
	if c.Bool("json") {
		return printJSON(std.out, idLine{V: jsonVersion, ID: id})
	}
	if c.String("state") == "" {
		fmt.Fprintln(std.err, "this ID is kept nowhere; keep one with --state DIR")
	}
	_, err = fmt.Fprintln(std.out, id)
	return err
}
