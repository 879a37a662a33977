//go:build linux

package natlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// signal is one line between two carriers, which the test passes on, or the
// last one: what became of the attempt.
type signal struct {
	Description string        `json:"description,omitempty"`
	Candidate   string        `json:"candidate,omitempty"`
	Done        bool          `json:"done,omitempty"`
	Stage       string        `json:"stage,omitempty"` // that failed; empty: the pipe is open
	Cause       string        `json:"cause,omitempty"`
	Path        string        `json:"path,omitempty"`    // types of the own and the peer's candidate
	Address     string        `json:"address,omitempty"` // of the peer
	Took        time.Duration `json:"took,omitempty"`    // from the call until the pipe was open
}

// stunRole answers STUN on the port of its argument, as a relay's carrier does.
func stunRole() error {
	udp, err := net.ListenPacket("udp4", ":"+os.Args[1])
	if err != nil {
		return err
	}
	e, err := webrtc.New(webrtc.Config{UDP: udp})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	untilTold()
	return e.Close()
}

// untilTold waits for the end of the standard input.
func untilTold() {
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
	}
}

// offerRole and answerRole are the two ends of a pipe. The arguments are ICE
// servers. Of private addresses, only those are tried that are behind the same
// translator as the own one: so a node does it.
func offerRole() error {
	return carrierRole(func(ctx context.Context, e *webrtc.Endpoint, s webrtc.Setup, _ <-chan signal) (*webrtc.Attempt, error) {
		return e.Offer(ctx, s)
	})
}

func answerRole() error {
	return carrierRole(func(ctx context.Context, e *webrtc.Endpoint, s webrtc.Setup, in <-chan signal) (*webrtc.Attempt, error) {
		return e.Answer(ctx, s, (<-in).Description)
	})
}

type beginning func(context.Context, *webrtc.Endpoint, webrtc.Setup, <-chan signal) (*webrtc.Attempt, error)

func carrierRole(begin beginning) error {
	e, err := webrtc.New(webrtc.Config{})
	if err != nil {
		return err
	}
	in, out := signals(), &teller{}
	ctx, cancel := context.WithTimeout(context.Background(), limits.SignalTimeout)
	defer cancel()
	began := time.Now()
	setup := webrtc.Setup{Servers: os.Args[1:], Take: func(a netip.Addr) bool { return !a.IsPrivate() }}
	a, err := begin(ctx, e, setup, in)
	if err != nil {
		return err
	}
	out.tell(signal{Description: a.Description()})
	go exchange(a, in, out)
	c, err := a.Wait(ctx)
	end := signal{Done: true, Took: time.Since(began)}
	var failed *webrtc.SetupError
	if errors.As(err, &failed) {
		end.Stage, end.Cause = failed.Stage, failed.Err.Error()
	} else if err != nil {
		return err
	} else if err := prove(c, &end); err != nil {
		return err
	}
	out.tell(end)
	select {} // until killed: the end of one must not be what the other reports
}

// prove sends a message, takes the peer's, and fills in which pair it took.
func prove(c *webrtc.Conn, end *signal) error {
	const text = "through the hole"
	if err := errors.Join(c.Send([]byte(text)), c.Flush()); err != nil {
		return err
	}
	got, err := c.Receive(func() []byte { return make([]byte, 64) })
	if err != nil || string(got) != text {
		return fmt.Errorf("got %q, %w, want the peer's message", got, err)
	}
	local, remote := c.Pair()
	end.Path, end.Address = local+"/"+remote, c.RemoteAddr().String()
	return nil
}

// signals reads lines from the standard input.
func signals() <-chan signal {
	in := make(chan signal, 64)
	go func() {
		defer close(in)
		s := bufio.NewScanner(os.Stdin)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			var line signal
			if json.Unmarshal(s.Bytes(), &line) == nil {
				in <- line
			}
		}
	}()
	return in
}

// teller prints signals, one on each line.
type teller struct{ mu sync.Mutex }

func (t *teller) tell(s signal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(s)
}

// exchange tells the own late candidates and takes the peer's.
func exchange(a *webrtc.Attempt, in <-chan signal, out *teller) {
	go func() {
		for line := range a.Candidates() {
			out.tell(signal{Candidate: line})
		}
	}()
	for s := range in {
		var err error
		if s.Description != "" {
			err = a.SetAnswer(s.Description)
		} else {
			err = a.AddCandidate(s.Candidate)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
