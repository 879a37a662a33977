package main

import (
	"os"
	"strings"

	"github.com/peermesh/peermesh/internal/wholefile"
	"github.com/peermesh/peermesh/node"
)

// writePortFile writes the node's URLs, one on each line, to a file that is there
// whole or not at all: scripts wait for it, as --port 0 tells nobody the port
// beforehand. The returned function removes it. No name: nothing is written.
func writePortFile(name string, n *node.Node) (remove func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	held, err := wholefile.WriteHeld(name, []byte(strings.Join(n.URLs(), "\n")+"\n"))
	if err != nil {
		return nil, &portFileError{err}
	}
	return func() { _ = held.Remove() }, nil
}

// sweepPortFile removes the file that a node which was killed has left: who waits for
// the next one is not to read where the last one was. What a node that runs has
// written, and what is no such file, stays.
func sweepPortFile(name string) {
	if !isRegular(name) {
		return
	}
	text, err := readBounded(name)
	if held, errHeld := wholefile.IsHeld(name, 0); err != nil || held || errHeld != nil || len(text) == 0 {
		return
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "ws://") && !strings.HasPrefix(line, "wss://") {
			return
		}
	}
	_ = os.Remove(name)
}

// portFileError is why --port-file cannot be written.
type portFileError struct{ err error }

func (e *portFileError) Error() string { return "--port-file: " + e.err.Error() }
func (e *portFileError) Unwrap() error { return e.err }
