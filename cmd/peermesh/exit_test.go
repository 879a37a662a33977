package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/node"
)

func TestExitCode(t *testing.T) {
	refusedDial := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	sent := func(err error) error {
		return &node.SendError{Outcome: node.Undelivered, Err: err}
	}
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"interrupted", errInterrupted, 130},
		{"usage", &usageError{text: "no"}, 2},
		{"usage among others", errors.Join(errors.New("x"), &usageError{text: "no"}), 2},
		{"settings", &startError{errors.Join(errors.New("bad a"), errors.New("bad b"))}, 2},
		{"malformed bootstrap URL", &startError{&node.JoinError{URL: "x", Stage: "parse", Err: errors.New("no scheme")}}, 2},
		{"port in use", &startError{&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}}, 1},
		{"file that is not there", &startError{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}}, 2},
		{"key file", &startError{&identity.KeyFileError{Path: "x", Problem: "bad"}}, 1},
		{"no link", fmt.Errorf("%w: %w", node.ErrTimeout, &node.JoinError{URL: "ws://a", Stage: "connect", Err: refusedDial}), 5},
		{"no link, without a cause", node.ErrTimeout, 5},
		{"no answer", sent(node.ErrTimeout), 5},
		{"no node", noNode(""), 3},
		{"no node there", fmt.Errorf("http://127.0.0.1:1: %w", admin.ErrUnreachable), 3},
		{"something else there", fmt.Errorf("http://127.0.0.1:1: %w", admin.ErrNoAdmin), 3},
		{"several nodes", severalNodes("status", make([]admin.Runtime, 2)), 2},
		{"no route", sent(node.ErrNoRoute), 4},
		{"no handler", sent(node.ErrNoHandler), 6},
		{"refused", sent(node.ErrRefused), 6},
		{"too large", &node.TooLargeError{Size: 2, Max: 1}, 1},
		{"else", errors.New("x"), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := exitCode(test.err); got != test.want {
				t.Errorf("exit code of %v: got %d, want %d", test.err, got, test.want)
			}
		})
	}
}

func TestFlagsOfFields(t *testing.T) {
	app := testApp()
	for field, name := range flagOf {
		if _, ok := reflect.TypeFor[node.Config]().FieldByName(field); !ok {
			t.Errorf("node.Config has no field %s", field)
		}
		if !slices.ContainsFunc(app.Flags, func(f cli.Flag) bool { return f.Names()[0] == name }) {
			t.Errorf("a node has no flag --%s", name)
		}
	}
}

func TestReport(t *testing.T) {
	refused := errors.New("connection refused")
	for _, test := range []struct {
		name string
		err  error
		want []string // the lines, or how they begin
	}{
		{"nothing to tell", nil, nil},
		{"interruption needs no words", errInterrupted, nil},
		{
			"which bootstrap and why come first",
			errors.Join(node.ErrTimeout,
				&node.JoinError{URL: "ws://a", Stage: "connect", Err: refused},
				&node.JoinError{URL: "ws://b", Stage: "handshake", Err: errors.New("wrong-network")},
				&node.JoinError{URL: "ws://c", Stage: "connect", Err: refused}),
			[]string{
				"peermesh: join ws://a: connect: connection refused",
				"peermesh: join ws://b: handshake: wrong-network",
				"peermesh: join ws://c: connect: connection refused",
				"hint: is a node running there?",
				"hint: both sides need the same --network-key",
			},
		},
		{
			"each mistake of the settings on a line",
			&startError{errors.Join(errors.New("bad a"), &node.JoinError{URL: "x", Stage: "parse", Err: errors.New("no scheme")})},
			[]string{"peermesh: bad a", "peermesh: join x: parse: no scheme", "hint: a bootstrap URL looks like", "hint: see peermesh --help"},
		},
		{
			"flags in the place of fields",
			&startError{errors.New("config: PublicURLs has \"x\": give ws://host:port\nconfig: TLSCert a, TLSKey b: Leaf is text\nlisten Listen")},
			[]string{
				"peermesh: --public-url has \"x\": give ws://host:port",
				"peermesh: --cert a, --key b: --leaf is text",
				"peermesh: listen Listen",
				"hint: see peermesh --help",
			},
		},
		{
			"the key file's own hint",
			&startError{&identity.KeyFileError{Path: "k", Problem: "others may read it", Hint: "chmod 600 k"}},
			[]string{"peermesh: key file k: others may read it", "hint: chmod 600 k"},
		},
		{
			"a message that was not acknowledged",
			&node.SendError{Outcome: node.Undelivered, Err: node.ErrNoHandler, Sent: 1},
			[]string{"peermesh: send to 00000000: no handler; undelivered after 1 transmission", "hint: that node runs, and no program in it takes messages"},
		},
		{
			"the command's help",
			&usageError{command: "send", text: "send needs ID"},
			[]string{"peermesh: send needs ID", "hint: see peermesh send --help"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			report(&b, test.err)
			got := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			if b.Len() == 0 {
				got = nil
			}
			if len(got) != len(test.want) {
				t.Fatalf("lines: got %q, want %q", got, test.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], test.want[i]) {
					t.Errorf("line %d: got %q, want %q", i+1, got[i], test.want[i])
				}
			}
		})
	}
}
