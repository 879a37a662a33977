package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// wantsJSON reports whether a command line, right or wrong, or the environment asks
// for JSON.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	on, _ := strconv.ParseBool(os.Getenv("PEERMESH_JSON"))
	for _, word := range args {
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-"), "=")
		if !strings.HasPrefix(word, "-") || name != "json" {
			continue
		}
		if on = true; given {
			on, _ = strconv.ParseBool(value)
		}
	}
	return on
}

// shownError is an error whose cause the command has told as JSON already.
type shownError struct{ error }

func (e *shownError) Unwrap() error { return e.error }

// reportJSON tells err as the last line of what is read by a program. An interrupt is
// what the reader wanted.
func reportJSON(w io.Writer, err error) {
	var found *diagnosis
	var shown *shownError
	if err == nil || errors.Is(err, errInterrupted) || errors.As(err, &found) || errors.As(err, &shown) {
		return
	}
	line := errorLine{V: jsonVersion, Event: "error", Error: secret.Text(message(err)), Reason: reasonName(err), Code: exitCode(err), Hints: hints(err)}
	_ = printJSON(w, line) // where standard output is gone, standard error has it
}

// names are reasons of errors that have no name of their own; the first that fits counts.
var names = []struct {
	err  error
	name string
}{
	{errNoNode, "no-node"}, {admin.ErrUnreachable, "no-node"}, {admin.ErrNoAdmin, "no-admin"}, {admin.ErrBusy, "busy"},
	{node.ErrNoHandler, "no-handler"}, {node.ErrNoRoute, "no-route"}, {node.ErrTooLarge, "too-large"}, {node.ErrNotConnected, "no-link"},
	{node.ErrQueueFull, "queue-full"}, {node.ErrRefused, "refused"}, {node.ErrClosed, "closed"}, {node.ErrTimeout, "timeout"},
	{syscall.EADDRINUSE, "port-in-use"}, {syscall.EADDRNOTAVAIL, "no-such-address"}, {syscall.EACCES, "not-permitted"}, {syscall.ENOSPC, "disk-full"},
}

// reasonName is why a command failed, in a word that a program can compare.
func reasonName(err error) string {
	for _, join := range find[*node.JoinError](err) {
		if join.Reason != "" {
			return join.Reason
		}
		if join.Stage != "" {
			return join.Stage
		}
	}
	for _, send := range find[*node.SendError](err) {
		if send.Reason != "" {
			return send.Reason
		}
	}
	if len(find[*identity.KeyFileError](err)) > 0 || len(find[*node.StateInUseError](err)) > 0 {
		return "state"
	}
	for _, n := range names {
		if errors.Is(err, n.err) {
			return n.name
		}
	}
	if exitCode(err) == exitUsage {
		return "usage"
	}
	return "error"
}
