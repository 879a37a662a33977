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
	if err := wholefile.Write(name, []byte(strings.Join(n.URLs(), "\n")+"\n")); err != nil {
		return nil, &portFileError{err}
	}
	return func() { _ = os.Remove(name) }, nil
}

// portFileError is why --port-file cannot be written.
type portFileError struct{ err error }

func (e *portFileError) Error() string { return "--port-file: " + e.err.Error() }
func (e *portFileError) Unwrap() error { return e.err }
