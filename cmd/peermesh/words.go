package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// wantWords checks the positional arguments: each name is one that has to be
// there, a name in brackets one that may be.
func wantWords(c *cli.Context, names ...string) error {
	words := c.Args().Slice()
	for i, name := range names {
		if i >= len(words) && name[0] != '[' {
			return &usageError{command: c.Command.Name, text: fmt.Sprintf("%s needs %s", c.Command.Name, name)}
		}
	}
	if len(words) > len(names) {
		return &usageError{
			command: c.Command.Name,
			text:    fmt.Sprintf("%s does not know what to do with %q", c.Command.Name, words[len(names)]),
			hints:   []string{"quote an argument that holds blanks"},
		}
	}
	return nil
}

// targetOf reads the first argument, the ID of another node.
func targetOf(c *cli.Context) (routing.ID, error) {
	return idOf(c.Command.Name, c.Args().First())
}

// idOf reads the ID of another node.
func idOf(command, word string) (routing.ID, error) {
	word = strings.TrimSpace(word) // as copied from a terminal
	id, err := routing.ParseID(word)
	if err != nil {
		return id, &usageError{
			command: command,
			text:    fmt.Sprintf("invalid ID %q: want 40 hex digits, got %d characters", word, len(word)),
			hints:   []string{"a node prints its ID when it starts; a beginning of it names only a node of this machine, with --id of status, peers and top"},
		}
	}
	return id, nil
}

// targetAndData reads the arguments ID [DATA|-].
func targetAndData(c *cli.Context, in io.Reader) (to routing.ID, data []byte, err error) {
	if err = wantWords(c, "ID", "[DATA|-]"); err != nil {
		return to, nil, err
	}
	if to, err = targetOf(c); err != nil {
		return to, nil, err
	}
	data, err = dataOf(c, in)
	return to, data, err
}

// dataOf returns the data to send: the second argument, or standard input
// when it is "-" or when there is none and the input is no terminal.
func dataOf(c *cli.Context, in io.Reader) ([]byte, error) {
	word := c.Args().Get(1)
	switch {
	case c.NArg() < 2 && isTerminal(in):
		return nil, &usageError{command: c.Command.Name, text: c.Command.Name + " needs DATA, or data on standard input"}
	case c.NArg() < 2 || word == "-":
		return readMessage(in)
	case len(word) > limits.MaxMessage:
		return nil, &node.TooLargeError{Size: len(word), Max: limits.MaxMessage}
	}
	return []byte(word), nil
}

// readMessage reads all of in, which has to fit one message. Of more it does
// not know the size, only that it is larger.
func readMessage(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limits.MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(data) > limits.MaxMessage {
		return nil, fmt.Errorf("standard input holds more than %d bytes: %w", limits.MaxMessage, node.ErrTooLarge)
	}
	return data, nil
}

// isTerminal reports whether nothing is piped or redirected into in. /dev/null counts
// as a terminal: it is nothing to send.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || isTTY(f) {
		return true
	}
	null, err := os.Stat(os.DevNull)
	if err == nil && os.SameFile(info, null) {
		return true
	}
	return runtime.GOOS == "windows" && info.Mode()&os.ModeCharDevice != 0 // a console is not known there
}
