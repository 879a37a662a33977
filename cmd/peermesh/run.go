package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/node"
)

const (
	// firstLink is how long --json waits for a bootstrap before it says that
	// the node is ready: a script may then use the mesh at once. A URL that
	// does not answer costs no more than this, and is tried again for ever.
	firstLink = 2 * time.Second

	// stopTime bounds the goodbye after a signal; the whole end takes less than 2 s.
	stopTime = 1500 * time.Millisecond

	// nodeGCPercent has a node's garbage collected twice as often as is usual. What
	// it forwards allocates nothing; links do when they come about. A relay that
	// 1,000 came to was measured: 26 MiB instead of 32, for 2 % of their work.
	nodeGCPercent = 50
)

// collectAt sets how much garbage there may be, in per cent of what is kept,
// unless the environment says otherwise.
func collectAt(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// runNode runs a node until a signal or until the node ends by itself. The
// name is how the program was called.
func runNode(c *cli.Context, std streams, name string) error {
	collectAt(nodeGCPercent)
	reloads(c.Context) // SIGHUP waits until the node is there
	warnOfVariables(std.err)
	cfg, _, err := nodeSettings(c, std)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(levelOf(get[string](c, "log-level")))
	cfg.Logger = loggerOf(std.err, level, get[string](c, "log-format"))
	sweepPortFile(c.String("port-file"))
	n, err := node.New(cfg)
	if err != nil {
		return &startError{err}
	}
	defer n.Close()
	page := openAdmin(c, n, level)
	defer page.close()
	removePortFile, err := writePortFile(c.String("port-file"), n)
	if err != nil {
		return err
	}
	defer removePortFile()
	tell := unlessLogged(cfg.Logger, tellEvents(std.err))
	if c.Bool("json") {
		tell = alsoWarnings(std.err, jsonEvents(std.out))
	}
	return liveOn(c, n, tell, func() error { return announceNode(c, std, n, page.url(), cfg, name) })
}

// warnOfConfig tells what is wrong with the files of a config that a node runs with
// all the same.
func warnOfConfig(w io.Writer, cfg *node.Config) {
	for _, one := range cfg.CheckWarnings(time.Now()) {
		fmt.Fprintf(w, "warning: %s\nhint: %s\n", one.Text, one.Hint)
	}
}

// liveOn announces the node, then tells its events until it ends.
func liveOn(c *cli.Context, n *node.Node, tell func(node.Event) error, announce func() error) error {
	ctx, cancel := context.WithCancel(c.Context)
	events := follow(ctx, n)
	defer func() {
		cancel()
		for range events { // until its goroutine has ended
		}
	}()
	if err := announce(); err != nil {
		return err
	}
	hangup := reloads(c.Context)
	for {
		select {
		case e, more := <-events:
			if !more {
				return stopNode(c, n)
			}
			if err := tell(e); err != nil {
				return err
			}
		case <-hangup:
			_ = n.Reload() // the events tell what came of it
		}
	}
}

// stopNode ends a node that was told to end. At SIGTERM it serves on for --drain, so
// that a balancer sees that it leaves, while its peers look for others already.
func stopNode(c *cli.Context, n *node.Node) error {
	why := bySignal(c.Context)
	if c.Context.Err() == nil {
		return errors.New("the node ended by itself")
	}
	if drain := get[time.Duration](c, "drain"); why == errTerminated && drain > 0 && get[int](c, "port") >= 0 {
		n.Drain()
		time.Sleep(drain) // a second signal ends the process
	}
	return errors.Join(leave(n, stopTime), why)
}

// announceNode prints what comes before all events.
func announceNode(c *cli.Context, std streams, n *node.Node, page string, cfg node.Config, name string) error {
	if c.Bool("json") {
		return announceJSON(c.Context, std.out, n, page, len(cfg.Bootstrap) > 0)
	}
	return announce(c, std, n, page, cfg, name)
}

// follow returns the events of n. The channel is closed when ctx or the node ends.
func follow(ctx context.Context, n *node.Node) <-chan node.Event {
	events := make(chan node.Event)
	all := n.Events(ctx)
	go func() {
		defer close(events)
		for e := range all {
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

// announceJSON prints the ready line.
func announceJSON(ctx context.Context, w io.Writer, n *node.Node, page string, joins bool) error {
	if joins {
		wait, cancel := context.WithTimeout(ctx, firstLink)
		_ = n.Ready(wait) // without a link the node serves and goes on trying; the events tell
		cancel()
	}
	return printJSON(w, readyLine{V: jsonVersion, Event: "ready", ID: n.ID(), URLs: append([]string{}, n.URLs()...), Admin: page})
}

// announce prints who the node is, where it can be joined and how.
func announce(c *cli.Context, std streams, n *node.Node, page string, cfg node.Config, name string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "peermesh %s\n  id     %s\n", version, n.ID())
	for _, u := range n.URLs() {
		fmt.Fprintf(&b, "  url    %s\n", u)
	}
	if page != "" {
		fmt.Fprintf(&b, "  admin  %s  (status, peers, top; this machine alone)\n", page)
	}
	if len(n.URLs()) > 0 {
		fmt.Fprintf(&b, "\nAdd a second node:   %s\n", secondNode(c, name, cfg, n.URLs()[0]))
	}
	if _, err := io.WriteString(std.out, b.String()); err != nil {
		return err
	}
	if cfg.StateDir == "" {
		fmt.Fprintln(std.err, "the identity is new and lasts as long as this process; keep one with --state DIR")
	}
	if cfg.Listen == "" && len(cfg.Bootstrap) == 0 {
		fmt.Fprintln(std.err, "hint: this node is alone: give --port to be joined, or --bootstrap to join")
	}
	return nil
}

// secondNode is the command that adds another node to the mesh.
func secondNode(c *cli.Context, name string, cfg node.Config, url string) string {
	words := []string{programName(name), "--port", nextPort(cfg.Listen), "--bootstrap", shellWord(url)}
	if file := c.String("network-key"); file != "" {
		words = append(words, "--network-key", shellWord(file))
	}
	if cfg.TLSCA != "" {
		words = append(words, "--tls-ca", shellWord(cfg.TLSCA))
	}
	return strings.Join(words, " ")
}

// nextPort is the port after the one listened on: a free one after a free one.
func nextPort(listen string) string {
	_, port, _ := net.SplitHostPort(listen)
	if n, err := strconv.Atoi(port); err == nil && n > 0 && n < maxPort {
		return strconv.Itoa(n + 1)
	}
	return "0"
}

// programName is how to call the program again. "go run" builds it in the go
// command's own directories, where nobody should look for it.
func programName(arg0 string) string {
	if strings.Contains(filepath.ToSlash(arg0), "/go-build") {
		return "go run ./cmd/peermesh"
	}
	return shellWord(arg0)
}

// tellEvents prints events in words with the time of day.
func tellEvents(w io.Writer) func(node.Event) error {
	return func(e node.Event) error {
		if e.Kind == node.Dropped && isMoot(e.Reason) {
			return nil // status tells how many there were
		}
		fmt.Fprintf(w, "%s %s\n", e.Time.Format(time.TimeOnly), eventText(e))
		return nil
	}
}

// isMoot says whether plain use makes drops of a reason's name.
func isMoot(name string) bool {
	for r := range reason.Count {
		if reason.Reason(r).String() == name {
			return reason.Reason(r).IsMoot()
		}
	}
	return false
}

// unlessLogged leaves out what the log tells on the same stream, with more to it.
func unlessLogged(log *slog.Logger, tell func(node.Event) error) func(node.Event) error {
	return func(e node.Event) error {
		if log.Enabled(context.Background(), e.Kind.Level()) {
			return nil
		}
		return tell(e)
	}
}

// alsoWarnings tells on w, in words, what is wrong with the node, beside what tell does:
// who reads JSON may look at some events alone.
func alsoWarnings(w io.Writer, tell func(node.Event) error) func(node.Event) error {
	return func(e node.Event) error {
		if e.Kind == node.Warned {
			writeWarning(w, e.Err, e.Hint)
		}
		return tell(e)
	}
}

// writeWarning prints what is wrong with a node and what to do.
func writeWarning(w io.Writer, text, hint string) {
	fmt.Fprintf(w, "warning: %s\n", oneLine([]byte(text)))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", oneLine([]byte(hint)))
	}
}

// jsonEvents prints events as JSON. The node does not outlive its reader.
func jsonEvents(w io.Writer) func(node.Event) error {
	return func(e node.Event) error {
		return printJSON(w, eventLine{V: jsonVersion, Event: e})
	}
}
