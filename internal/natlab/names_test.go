//go:build linux

package natlab

import (
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// TestNameWithSilentAddresses: a name has addresses whose packets are lost and one
// where a server accepts and says nothing, before the one of a node.
func TestNameWithSilentAddresses(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"none": 0, "three": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCell(t)
			c.relay[0].runs(t, "--port", fmt.Sprint(relayPort))
			var addrs []string
			for i := range before {
				addrs = append(addrs, fmt.Sprintf("5.20%d.0.1", i)) // nobody has it
			}
			if before > 0 {
				mute := c.onWAN(t, "mute", outer(90))
				if got := mute.play(t, "mute", fmt.Sprint(relayPort)).next(t); got != "ready" {
					t.Fatalf("mute: got %q, want ready", got)
				}
				addrs = append(addrs, mute.addr.String())
			}
			joiner := c.relay[1]
			joiner.hosts(t, "mesh.test", append(addrs, c.relay[0].addr.String())...)
			began := time.Now()
			joiner.runs(t, "listen", "--bootstrap", fmt.Sprintf("ws://mesh.test:%d", relayPort), "--webrtc", "off")
			t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// TestRelaysOfOneName: three relays have one name, as the pods of a service do, and
// each resolves it with itself first.
func TestRelaysOfOneName(t *testing.T) {
	t.Parallel()
	c := newCell(t)
	all := append([]place{c.onWAN(t, "r3", outer(3))}, c.relay[:]...)
	for i, r := range all {
		r.hosts(t, "mesh.test", all[i].addr.String(), all[(i+1)%3].addr.String(), all[(i+2)%3].addr.String())
	}
	var relays []*member
	for _, r := range all {
		relays = append(relays, r.runs(t, "--port", fmt.Sprint(relayPort), "--bootstrap", fmt.Sprintf("ws://mesh.test:%d", relayPort)))
	}
	m := &mesh{cell: c, host: [2]place{all[0]}}
	for _, r := range relays {
		if _, err := m.at(0, "ping", r.id, "--bootstrap", "ws://"+all[0].at(relayPort), "--count", "1"); err != nil {
			t.Errorf("a ping from one relay to another of the same name: %v", err)
		}
	}
}

// muteRole is a server on the port of its argument that accepts and says nothing.
func muteRole() error {
	l, err := net.Listen("tcp4", ":"+os.Args[1])
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
