package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/peermesh/peermesh/internal/admin"
	"github.com/peermesh/peermesh/internal/hint"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/node"
)

// The exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitNoNode      = 3
	exitNoRoute     = 4
	exitTimeout     = 5
	exitRefused     = 6
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// usageError is a mistake in the command line or in a setting.
type usageError struct {
	text    string
	hints   []string
	command string // whose --help helps; empty: that of the program
	cause   error  // nil: the text says all
}

func (e *usageError) Error() string { return e.text }
func (e *usageError) Unwrap() error { return e.cause }

// startError is why node.New started nothing: mistakes in the settings, or
// something outside of them such as a port in use.
type startError struct{ err error }

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// environmental reports whether the cause lies outside of the settings: what
// listens already, or the state of the key file.
func (e *startError) environmental() bool {
	var op *net.OpError
	var key *identity.KeyFileError
	var used *node.StateInUseError
	return errors.As(e.err, &op) || errors.As(e.err, &key) || errors.As(e.err, &used)
}

// exitCode returns what err makes the program end with.
func exitCode(err error) int {
	var usage *usageError
	var settings *settingsError
	var start *startError
	var join *node.JoinError
	switch {
	case err == nil, errors.Is(err, errTerminated):
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &settings) && settings.environmental():
		return exitError
	case errors.As(err, &usage), errors.As(err, &settings):
		return exitUsage
	case errors.As(err, &start):
		if start.environmental() {
			return exitError
		}
		return exitUsage
	case errors.Is(err, errNoNode), errors.Is(err, admin.ErrUnreachable), errors.Is(err, admin.ErrNoAdmin):
		return exitNoNode
	case errors.As(err, &join) && errors.Is(err, node.ErrRefused):
		return exitRefused
	case errors.As(err, &join), errors.Is(err, node.ErrTimeout):
		return exitTimeout
	case errors.Is(err, node.ErrNoRoute):
		return exitNoRoute
	case errors.Is(err, node.ErrRefused):
		return exitRefused
	}
	return exitError
}

// report tells err on w: what happened, each mistake on a line, then how to
// mend it.
func report(w io.Writer, err error) {
	if err == nil || errors.Is(err, errInterrupted) || errors.Is(err, errTerminated) {
		return
	}
	for line := range strings.SplitSeq(message(err), "\n") {
		fmt.Fprintf(w, "peermesh: %s\n", secret.Text(line))
	}
	for _, text := range hints(err) {
		fmt.Fprintf(w, "hint: %s\n", text)
	}
}

// message is what happened. When no link came up in time, which URL and why
// says more than that the time is over.
func message(err error) string {
	if settings := find[*settingsError](err); len(settings) > 0 {
		return settings[0].Error()
	}
	if len(find[*startError](err)) > 0 {
		return briefly(err)
	}
	joins := find[*node.JoinError](err)
	if len(joins) == 0 {
		return err.Error()
	}
	lines := make([]string, len(joins))
	for i, j := range joins {
		lines[i] = j.Error()
	}
	return strings.Join(lines, "\n")
}

// flagOf names the flag behind a field of node.Config.
var flagOf = map[string]string{
	"StateDir": "state", "Listen": "port", "PublicURLs": "public-url", "TLSCert": "cert", "TLSKey": "key", "TLSCA": "tls-ca", "Proxy": "proxy",
	"TrustedProxies": "trusted-proxy", "AllowOrigins": "allow-origin", "Bootstrap": "bootstrap", "MaxPeers": "max-peers", "MaxLeaves": "max-leaves",
	"Leaf": "leaf", "NetworkKey": "network-key", "NetworkKeyFile": "network-key", "WebRTC": "webrtc", "WebRTCListen": "webrtc-port",
	"MaxWebRTC": "max-webrtc", "WebRTCHidePrivate": "webrtc-hide-private", "ICEServers": "ice",
}

// byFlags puts flags in the place of the fields that the node's mistakes name.
func byFlags(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		mistake, ok := strings.CutPrefix(line, "config: ")
		if !ok {
			continue
		}
		words := strings.Split(mistake, " ")
		for j, word := range words {
			field := strings.TrimRight(word, ":,")
			if name, ok := flagOf[field]; ok {
				words[j] = dashed(name) + word[len(field):]
			}
		}
		lines[i] = strings.Join(words, " ")
	}
	return strings.Join(lines, "\n")
}

// hints returns how to mend err, the likeliest first.
func hints(err error) []string {
	var all []string
	for _, usage := range find[*usageError](err) {
		all = append(all, usage.hints...)
	}
	for _, key := range find[*identity.KeyFileError](err) {
		all = append(all, key.Hint)
	}
	if len(find[*node.StateInUseError](err)) > 0 {
		all = append(all, "stop that one, or give another --state; commands such as send and ping need none: they have an ID of their own then")
	}
	all = append(all, joinHints(find[*node.JoinError](err))...)
	for _, sent := range find[*node.SendError](err) {
		if sent.Outcome == node.Delivered {
			all = append(all, "its program answers no requests, or takes longer than --timeout: peermesh listen answers with --echo or --reply TEXT")
		}
	}
	for _, h := range sentinelHints {
		if errors.Is(err, h.err) && len(all) == 0 {
			all = append(all, h.text)
			break
		}
	}
	if errors.Is(err, syscall.EACCES) && len(all) == 0 {
		all = append(all, notPermitted(err))
	}
	if exitCode(err) == exitUsage {
		all = append(all, "see "+strings.Join(strings.Fields("peermesh "+commandOfMistake(err)+" --help"), " "))
	}
	return all
}

// sentinelHints are for what has no figures of its own; the first that fits counts.
var sentinelHints = []struct {
	err  error
	text string
}{
	{errNoNode, "peermesh --port 8080 starts one; that of a service is found with sudo, that of a container within it (docker exec), any by --admin URL; one with --admin off not at all"},
	{admin.ErrNoAdmin, "that may be the public port of a node: it prints the URL of its admin page when it starts, and peermesh status finds it without one"},
	{admin.ErrUnreachable, "the node there may have ended: a node prints its admin page's URL when it starts"},
	{admin.ErrBusy, "it answers all that it may at once: scrapers, browsers or profiles have its connections; try again in a few seconds"},
	{node.ErrNoHandler, "that node runs, and no program in it takes messages at that port: peermesh listen is a node that does, with an ID of its own, which it prints; never start it with the --state of another"},
	{node.ErrNoRoute, "the ID has to be that of a node that runs and has joined the same mesh"},
	{node.ErrTooLarge, fmt.Sprintf("one message holds at most %d bytes: split the data", limits.MaxMessage)},
	{syscall.EADDRINUSE, "another program has that port: choose another --port, or --port 0 for a free one"},
	{syscall.EADDRNOTAVAIL, "this machine has no such address: --host wants one of its own, or none for all of them; behind a NAT the outer one goes with --public-url"},
	{syscall.ENOSPC, "the disk is full: make room"},
}

// notPermitted is what to do where this user's rights do not suffice: for a port, or
// for a file.
func notPermitted(err error) string {
	if len(find[*net.OpError](err)) > 0 {
		return "this user may not do that; ports below 1024 need more rights"
	}
	return "this user may not read or write that file: give it to the user that runs this, or choose another"
}

// joinHints says what to do about bootstrap URLs, once for each kind of cause.
func joinHints(joins []*node.JoinError) []string {
	var all []string
	for _, j := range joins {
		if text := hint.Join(j.Stage, j.Reason); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// commandOfMistake returns the command whose help page helps.
func commandOfMistake(err error) string {
	for _, usage := range find[*usageError](err) {
		if usage.command != "" {
			return usage.command
		}
	}
	return ""
}

// find returns every error of one type in the tree of err, in its order.
func find[T any](err error) []T {
	if err == nil {
		return nil
	}
	var all []T
	if e, ok := err.(T); ok {
		all = append(all, e)
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, find[T](u.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			all = append(all, find[T](e)...)
		}
	}
	return all
}
