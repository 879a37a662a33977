package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/routing"
)

// errNoNode is the cause when there is no running node to look at.
var errNoNode = errors.New("no running node found")

// fewestDigits is the shortest prefix of an ID that chooses a node.
const fewestDigits = 4

// lookFlags are those of a command that looks at a running node of this machine.
func lookFlags(own ...cli.Flag) []cli.Flag {
	return append(own,
		valueFlag("admin", "`URL` of the node's admin page, as the node prints it; without it the node that runs here", adminURL()),
		valueFlag("id", "`PREFIX` of the node's ID, where several run here", idPrefix()),
		boolFlag("json", "print JSON, one object on each line"))
}

// watchFlag is for what can be shown again and again.
func watchFlag() cli.Flag {
	v := optional(duration(0))
	v.bare = time.Second.String()
	return valueFlag("watch", "show it anew each `TIME`, 1s if it is left out, until interrupted or, on a terminal, q", v)
}

// adminURL reads where a node's admin page is. The setting of a node is one of
// its values too: "off" and port 0 do not say where it is.
func adminURL() *value[string] {
	return &value[string]{read: func(text string) (string, error) {
		_, port, _ := net.SplitHostPort(text)
		if text == adminOff || port == "0" {
			return "", nil
		}
		c, err := admin.NewClient(text)
		if err != nil {
			return "", errors.New("want a URL such as http://127.0.0.1:9090")
		}
		c.Close()
		return text, nil
	}}
}

// idPrefix reads the beginning of an ID.
func idPrefix() *value[string] {
	return &value[string]{read: func(text string) (string, error) {
		text = strings.ToLower(text)
		if len(text) < fewestDigits || len(text) > 2*routing.IDLen || strings.Trim(text, "0123456789abcdef") != "" {
			return "", fmt.Errorf("want the first %d to %d hex digits of an ID", fewestDigits, 2*routing.IDLen)
		}
		return text, nil
	}}
}

// looker asks one running node for its status.
type looker struct {
	client *admin.Client
	id     routing.ID // who has to answer; zero: anybody
}

// look finds the node that is meant. Close gives its connection back.
func look(c *cli.Context) (*looker, error) {
	at, prefix := get[string](c, "admin"), get[string](c, "id")
	if at != "" {
		client, err := admin.NewClient(at)
		return &looker{client: client}, err
	}
	var found []admin.Runtime
	for _, r := range admin.Running() {
		if strings.HasPrefix(r.ID.String(), prefix) {
			found = append(found, r)
		}
	}
	if len(found) > 1 {
		found = answering(c.Context, found)
	}
	switch len(found) {
	case 0:
		return nil, noNode(prefix)
	case 1:
		client, err := admin.NewClient(found[0].URL)
		return &looker{client, found[0].ID}, err
	}
	return nil, severalNodes(c.Command.Name, found)
}

// answering are the nodes that answer: the number of a process that is gone may
// be another's by now.
func answering(ctx context.Context, all []admin.Runtime) []admin.Runtime {
	var alive []admin.Runtime
	for _, r := range all {
		client, err := admin.NewClient(r.URL)
		if err != nil {
			continue
		}
		l := &looker{client, r.ID}
		if _, err := l.status(ctx); err == nil {
			alive = append(alive, r)
		}
		l.close()
	}
	return alive
}

func noNode(prefix string) error {
	if prefix != "" {
		return fmt.Errorf("%w: none of this user whose ID begins with %s", errNoNode, prefix)
	}
	return fmt.Errorf("%w: none of this user on this machine", errNoNode)
}

// severalNodes lists what there is to choose from.
func severalNodes(command string, found []admin.Runtime) error {
	lines := []string{fmt.Sprintf("%d nodes run here: say which one", len(found))}
	short := make(map[string]int) // how many an ID's short form would choose
	for _, r := range found {
		short[r.ID.Short()]++
	}
	for _, r := range found {
		way := "--id " + r.ID.Short() + "   " + r.URL
		if short[r.ID.Short()] > 1 { // as two processes of one identity have
			way = "--admin " + r.URL + "   " + r.ID.Short()
		}
		lines = append(lines, fmt.Sprintf("  %s  process %d, since %s", way, r.PID, r.Started.Local().Format(time.DateTime)))
	}
	return &usageError{command: command, text: strings.Join(lines, "\n")}
}

// status asks once.
func (l *looker) status(ctx context.Context) (*admin.Status, error) {
	s, err := l.client.Status(ctx)
	if err == nil && !l.id.IsZero() && s.ID != l.id {
		return nil, fmt.Errorf("%w: node %s has gone, and another has its port", errNoNode, l.id.Short())
	}
	return s, err
}

// each shows the status, once or each interval until ctx ends.
func (l *looker) each(ctx context.Context, interval time.Duration, show func(*admin.Status) error) error {
	for {
		s, err := l.status(ctx)
		if err == nil {
			err = show(s)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil || interval == 0 {
			return err
		}
		if err := pause(ctx, interval); err != nil {
			return err
		}
	}
}

// pause waits; its error is why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *looker) close() { l.client.Close() }

// showStatus runs a command that looks: it finds the node and shows it by json or by
// text, once or again and again.
func showStatus(c *cli.Context, std streams, json func(*admin.Status) error, text func(io.Writer, *admin.Status) error) error {
	if err := wantWords(c); err != nil {
		return err
	}
	warnOfVariables(std.err)
	l, err := look(c)
	if err != nil {
		return err
	}
	defer l.close()
	interval := get[time.Duration](c, "watch")
	if c.Bool("json") {
		return l.each(c.Context, interval, json)
	}
	if interval > 0 && isScreen(std.out) {
		ctx, end := untilQuit(c.Context, std.in, func(byte) {})
		defer end()
		w := &window{out: std.out.(*os.File)}
		return unlessQuit(ctx, l.each(ctx, interval, func(s *admin.Status) error {
			return errors.Join(text(w, s), w.show())
		}))
	}
	again := ""
	return l.each(c.Context, interval, func(s *admin.Status) error {
		if _, err := io.WriteString(std.out, again); err != nil {
			return err
		}
		again = "\n"
		return text(std.out, s)
	})
}
