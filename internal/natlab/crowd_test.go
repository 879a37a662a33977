//go:build linux

package natlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
)

// crowd is how many nodes share one address.
const crowd = 200

// crowdRole runs so many nodes without a port in one program: its arguments are a
// URL to join by and their number. It prints one line when all are ready, or when
// patience has ended.
func crowdRole() error {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	ready := make([]time.Duration, count)
	failed := make([]error, count)
	for i := range count {
		n, err := node.New(node.Config{Bootstrap: os.Args[1:2], WebRTC: node.WebRTCOff})
		if err != nil {
			return err
		}
		defer n.Close()
		wg.Go(func() {
			failed[i] = n.Ready(ctx)
			ready[i] = time.Since(began)
		})
	}
	wg.Wait()
	answer := told{ID: "crowd"}
	for i := range count {
		if failed[i] == nil {
			answer.Sent++
			answer.Slowest = max(answer.Slowest, ready[i])
		}
	}
	if err := errors.Join(failed...); err != nil {
		answer.Cause = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

// TestCrowd: as many nodes as a relay has places come from one address, which is
// not of this machine. All of them get in.
func TestCrowd(t *testing.T) {
	t.Parallel()
	c := newCell(t)
	c.relay[0].runs(t, "--port", fmt.Sprint(relayPort), "--max-peers", fmt.Sprint(crowd))
	lan := c.newNAT(t, portRestricted, 1).host(t, "crowd")
	var all told
	p := lan.play(t, "crowd", "ws://"+c.relay[0].at(relayPort), fmt.Sprint(crowd))
	if err := json.Unmarshal([]byte(p.next(t)), &all); err != nil {
		t.Fatal(err)
	}
	if all.Sent != crowd {
		t.Errorf("got %d of %d nodes behind one address ready: %.300s", all.Sent, crowd, all.Cause)
	}
	t.Logf("%d of %d ready after %v", all.Sent, crowd, all.Slowest)
}
