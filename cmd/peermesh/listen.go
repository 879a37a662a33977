package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

func listenCommand(std streams) *cli.Command {
	return &cli.Command{
		Name:  "listen",
		Usage: "print the messages that arrive, and answer requests",
		Description: describe("Joins the mesh and prints its ID, then each message on a line: the sender's ID and\n"+
			"the text, quoted where it is none. Ends after --count messages, or at an interrupt. What\n"+
			"it drops, as for want of time to print, it tells on standard error, once a second, and at\n"+
			"the end how much it received and dropped. Relays count what they drop: peermesh status.",
			"peermesh listen --bootstrap ws://127.0.0.1:8080",
			"peermesh listen --state ~/.local/state/peermesh-listen --echo --json -b ws://127.0.0.1:8080"),
		Flags: actFlags(
			valueFlag("on", "`PORT` of the node to listen on; send, request and bench reach it with the same --on", number(0, 0, maxPort)),
			valueFlag("count", "end after `N` messages; 0: go on until interrupted", number(0, 0, maxCount), "c"),
			textFlag("reply", "answer every request with `TEXT`"),
			boolFlag("echo", "answer every request with its own data"),
		),
		Action: func(c *cli.Context) error { return listen(c, std) },
	}
}

func listen(c *cli.Context, std streams) error {
	if err := wantWords(c); err != nil {
		return err
	}
	if c.Bool("echo") && c.IsSet("reply") {
		return &usageError{command: "listen", text: "--echo and --reply exclude each other"}
	}
	reloads(c.Context) // SIGHUP waits until the node is there
	n, err := startLeaf(c, std, allHomes)
	if err != nil {
		return err
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	in := newInbox(c, std.out)
	defer func() {
		_ = leave(n, leaveTime)
		if in.ready() {
			tellSum(std.err, n, in.received.Load()) // what waited to be printed is among the drops now
		}
	}()
	if err := in.open(n, uint16(get[int](c, "on"))); err != nil {
		return err
	}
	watching.Go(func() { warn(c.Context, std.err, n) })
	watching.Go(func() { tellDrops(std.err, n) })
	ctx, cancel := context.WithTimeout(c.Context, get[time.Duration](c, "timeout"))
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return err
	}
	if err := in.begin(n.ID()); err != nil {
		return err
	}
	if !in.json {
		fmt.Fprintf(std.err, "Send it a message:   %s\n", sendCommandLine(c, n.ID()))
	}
	return in.wait(c.Context, n)
}

// sendCommandLine is the command that sends a message to this listener. What is secret
// in a URL is masked, and has to be filled in.
func sendCommandLine(c *cli.Context, id routing.ID) string {
	verb := "send"
	if c.Bool("echo") || c.IsSet("reply") {
		verb = "request"
	}
	words := []string{programName(os.Args[0]), verb, id.String(), "hello"}
	if on := get[int](c, "on"); on != 0 {
		words = append(words, "--on", strconv.Itoa(on))
	}
	words = append(words, "--bootstrap", shellWord(secret.URL(list(c, "bootstrap")[0]).String()))
	for _, flag := range []string{"network-key", "tls-ca"} {
		if file := c.String(flag); file != "" {
			words = append(words, dashed(flag), shellWord(file))
		}
	}
	return strings.Join(words, " ")
}

// wait waits for the last message that was asked for, or for the end.
func (in *inbox) wait(ctx context.Context, n *node.Node) error {
	hangup := reloads(ctx)
	for {
		select {
		case err := <-in.ended:
			in.replies.Wait()
			return err
		case <-n.Done():
			return errors.New("the node ended by itself")
		case <-hangup:
			_ = n.Reload() // warn tells what is wrong
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// warn tells what a listener has to know of its node: a bootstrap that does
// not answer, a relay that is no home, a refusal, a second process with the same
// identity, a clock that is wrong, a proxy that hides who comes, a network that changed.
func warn(ctx context.Context, w io.Writer, n *node.Node) {
	tell := tellEvents(w)
	for e := range n.Events(ctx) {
		switch e.Kind {
		case node.Retry, node.Refused, node.IdentityInUse, node.NoHome, node.ClockDoubted, node.UndeclaredProxy, node.Warned, node.Resolved, node.Reloaded, node.NetworkChanged:
			_ = tell(e)
		}
	}
}

// maxReplies is how many answers may be under way at once: an asker that is
// gone must not keep the others waiting, and many must not pile up.
const maxReplies = 64

// inbox prints and answers messages. Its handler runs on one goroutine at a time.
type inbox struct {
	out      io.Writer
	json     bool
	answer   func(data []byte) ([]byte, bool) // what a request gets; false: nothing
	patience time.Duration                    // for an answer to arrive
	left     int                              // messages until the end; below zero: no end
	begun    chan struct{}                    // closed when the ready line is out
	ended    chan error                       // gets the end once
	once     sync.Once
	slots    chan struct{} // one for each answer under way
	replies  sync.WaitGroup

	received, datagrams atomic.Uint64 // messages printed, and the datagrams among them
}

func newInbox(c *cli.Context, out io.Writer) *inbox {
	in := &inbox{
		out: out, json: c.Bool("json"), left: get[int](c, "count"), patience: get[time.Duration](c, "timeout"),
		begun: make(chan struct{}), ended: make(chan error, 1), slots: make(chan struct{}, maxReplies),
	}
	if in.left == 0 {
		in.left = -1
	}
	echo, reply, replies := c.Bool("echo"), []byte(c.String("reply")), c.IsSet("reply")
	in.answer = func(data []byte) ([]byte, bool) {
		if echo {
			return data, true
		}
		return reply, replies
	}
	return in
}

// open sets the handler. Messages wait until begin.
func (in *inbox) open(n *node.Node, port uint16) error {
	if port == 0 {
		n.Handle(in)
	} else if _, err := n.OpenPort(port, in); err != nil { // closed with the node
		return err
	}
	return answerTally(n, &in.datagrams)
}

// begin prints the ready line and lets the messages through.
func (in *inbox) begin(id routing.ID) error {
	defer close(in.begun)
	if in.json {
		return printJSON(in.out, idLine{V: jsonVersion, Event: "ready", ID: id})
	}
	_, err := fmt.Fprintln(in.out, id)
	return err
}

// ready says whether the ready line is out.
func (in *inbox) ready() bool {
	select {
	case <-in.begun:
		return true
	default:
		return false
	}
}

// HandleMessage implements node.Handler.
func (in *inbox) HandleMessage(ctx context.Context, m *node.Message) {
	select {
	case <-in.begun:
	case <-ctx.Done():
		return
	}
	if in.left == 0 {
		return // arrived after the last one that was asked for
	}
	err := in.print(m)
	if err == nil {
		in.count(m)
	}
	if answer, ok := in.answer(m.Data); ok && err == nil && m.WantsReply() {
		in.reply(ctx, m, slices.Clone(answer))
	}
	in.left--
	if in.left == 0 || err != nil {
		in.once.Do(func() { in.ended <- err })
	}
}

func (in *inbox) count(m *node.Message) {
	in.received.Add(1)
	if m.Datagram {
		in.datagrams.Add(1)
	}
}

// reply answers m without keeping the next message waiting.
func (in *inbox) reply(ctx context.Context, m *node.Message, answer []byte) {
	in.slots <- struct{}{}
	in.replies.Go(func() {
		defer func() { <-in.slots }()
		ctx, cancel := context.WithTimeout(ctx, in.patience)
		defer cancel()
		_ = m.Reply(ctx, answer) // who asked may be gone; the next message counts
	})
}

func (in *inbox) print(m *node.Message) error {
	if !in.json {
		_, err := fmt.Fprintf(in.out, "%s %s\n", m.From.ID, oneLine(m.Data))
		return err
	}
	return printJSON(in.out, messageLine{V: jsonVersion, Event: "message", From: m.From.ID, Hops: m.Hops, Request: m.WantsReply(), payload: newPayload(m.Data)})
}
