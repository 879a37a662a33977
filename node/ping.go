package node

import (
	"context"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// pingPort is the mesh's own port that answers pings with the number of hops
// that the ping took, one byte.
const pingPort = 0xFF00

func (n *Node) openPingPort() {
	_, _ = n.open(pingPort, HandlerFunc(func(ctx context.Context, m *Message) {
		if !m.WantsReply() {
			return
		}
		hops := []byte{byte(m.Hops)}
		select {
		case n.pongs <- struct{}{}:
			n.spawn(func() {
				_ = replyWithin(ctx, m, hops) // the asker's timeout tells of a failure
				<-n.pongs
			})
		default: // so many answers that nobody takes
			n.drops.Add(reason.RateLimited, 1)
		}
	}))
}

// replyWithin bounds how long an answer nobody may want any more is tried.
func replyWithin(ctx context.Context, m *Message, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return m.Reply(ctx, data)
}

// Ping asks a node for a sign of life. The answer is proven to come from it.
// The first ping to a node includes the time to make a session.
func (n *Node) Ping(ctx context.Context, id routing.ID) (PingResult, error) {
	start := time.Now()
	res, err := n.send(ctx, pingPort, Addr{id, pingPort}, message{kind: wire.PlainRequest})
	if err != nil {
		return PingResult{}, err
	}
	r := PingResult{RTT: time.Since(start), Via: routing.ID(res.Hop)}
	if len(res.Response) == 1 {
		r.Hops = int(res.Response[0])
	}
	r.Direct = r.Via == id
	return r, nil
}
