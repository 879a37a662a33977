//go:build linux

package natlab

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// silenceRole is a leaf that sends datagrams to another and notes those that come.
// Its arguments are the URLs to join by. Lines on standard input make it act:
//
//	flow ID RATE MS ECHO   sends so many a second, which are to be answered if ECHO is 1; no answer
//	used                   the peer to which most frames have left since it was asked last
//	gap                    what has come since it was asked last
func silenceRole() error {
	n, err := node.New(node.Config{Bootstrap: os.Args[1:], Leaf: true, WebRTC: node.WebRTCOff})
	if err != nil {
		return err
	}
	defer n.Close()
	var got received
	n.Handle(node.HandlerFunc(func(_ context.Context, m *node.Message) {
		if got.note(m.Data, time.Now()) {
			_ = n.SendDatagram(m.From.ID, binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(m.Data)&^asksEcho)) // it may be lost
		}
	}))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		return err
	}
	print := json.NewEncoder(os.Stdout)
	if err := print.Encode(told{ID: n.ID().String()}); err != nil {
		return err
	}
	sent := make(map[routing.ID]uint64)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var verb, id string
		var rate, ms, echo int
		_, _ = fmt.Sscan(in.Text(), &verb, &id, &rate, &ms, &echo) // not all have so many words
		switch verb {
		case "flow":
			to, err := routing.ParseID(id)
			if err != nil {
				return err
			}
			go flow(n, to, rate, time.Duration(ms)*time.Millisecond, uint64(echo)*asksEcho)
		case "used":
			err = print.Encode(told{ID: busiest(n, sent).String()})
		case "gap":
			err = print.Encode(got.take())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// asksEcho is set in the number of a datagram that is to be answered.
const asksEcho = 1 << 63

func flow(n *node.Node, to routing.ID, rate int, d time.Duration, echo uint64) {
	begin := time.Now()
	for i := uint64(0); ; i++ {
		at := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if at.Sub(begin) > d {
			return
		}
		time.Sleep(time.Until(at))
		number := uint64(begin.UnixMicro())<<20 + i
		_ = n.SendDatagram(to, binary.BigEndian.AppendUint64(nil, number&^asksEcho|echo)) // it may be lost
	}
}

// busiest is the peer to which most frames have left since the last call.
func busiest(n *node.Node, before map[routing.ID]uint64) (id routing.ID) {
	most := uint64(0)
	for _, p := range n.Peers() {
		sent := p.TxFrames
		if old := before[p.ID]; old <= sent { // else it is a newer link
			sent -= old
		}
		if sent > most {
			most, id = sent, p.ID
		}
		before[p.ID] = p.TxFrames
	}
	return id
}

// received are the datagrams that came.
type received struct {
	mu    sync.Mutex
	at    []time.Time
	seen  map[uint64]bool
	twice int
}

// note notes a datagram; true: it wants an answer.
func (a *received) note(data []byte, at time.Time) bool {
	if len(data) != 8 {
		return false
	}
	number := binary.BigEndian.Uint64(data)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = make(map[uint64]bool)
	}
	if a.seen[number] {
		a.twice++
	}
	a.seen[number] = true
	a.at = append(a.at, at)
	return number&asksEcho != 0
}

// gapTold is what came of a flow.
type gapTold struct {
	Gap     time.Duration // the longest between two
	Arrived int
	Twice   int
}

func (a *received) take() (g gapTold) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortFunc(a.at, time.Time.Compare)
	for i := 1; i < len(a.at); i++ {
		g.Gap = max(g.Gap, a.at[i].Sub(a.at[i-1]))
	}
	g.Arrived, g.Twice = len(a.at), a.twice
	a.at = nil
	return g
}
