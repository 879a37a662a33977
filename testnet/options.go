package testnet

import (
	"io"
	"time"
)

// Transport says what the links of a network of real nodes are made over.
type Transport string

// The transports.
const (
	WS     Transport = "ws"     // WebSocket: every relay has a port
	Mixed  Transport = "mixed"  // every other relay has a port, the others and the leaves can be linked over WebRTC alone
	WebRTC Transport = "webrtc" // the first node alone has a port, by which the others join; all else is WebRTC
)

// Options describe a network and what happens to it. The zero value of each
// field is a sensible default, told with it.
type Options struct {
	Nodes     int     // 0: 50
	Leaves    float64 // share of the nodes that are leaves, 0 to 1
	Homes     int     // of each leaf; 0: 3
	MaxPeers  int     // links with relays of each node; 0: 24
	MaxLeaves int     // links with leaves of each relay; 0: 256
	Seed      uint64  // of all randomness

	Line Line // of each direction of each link, over WebSocket or in virtual time; zero: none

	// Real nodes alone.
	Transport Transport // what links are made over; empty: WS

	// Virtual time alone.
	LatencyMin, LatencyMax time.Duration // one way, of a pair of nodes; 0: 20 ms to 80 ms
	Loss                   float64       // of carrier messages, 0 to 1
	BBR                    bool          // congestion control of the carriers on lines; without it CUBIC
	PlainGreedy            bool          // without the look-ahead, to be compared with
	NoURL                  float64       // share of the relays that nobody can dial but over WebRTC, 0 to 1; all nodes speak it then, and pairs that talk much link
	Apart                  float64       // share of the pairs of nodes that WebRTC cannot link, 0 to 1
	MaxWebRTC              int           // links over WebRTC of each node then; 0: 32
	Patience               time.Duration // how long a message may take until it is acknowledged; 0: 30 s

	// What happens once the network has settled: nodes begin to come and go,
	// some die, some are cut off and come back, Sybils join, Duration goes by,
	// the messages are sent.
	Session   time.Duration // virtual time alone: mean life of a node, exponential; each that goes is replaced by a new one; 0: nobody goes
	Duration  time.Duration // how long the network lives on before the messages begin, and under churn while they are sent; 0: at once
	Kill      float64       // share of the nodes that die at once
	Silent    float64       // share of the dead whose links stay open and say nothing; the others' close
	Partition float64       // share of the nodes cut off from the others
	Cut       time.Duration // for how long
	Nearest   bool          // virtual time alone: each message goes to the node nearest its sender by ID, of its kind
	Sybils    int           // virtual time alone: nodes whose IDs are ground next to one victim; they join last

	Messages int       // acknowledged messages between random pairs; 0: none
	Progress io.Writer // what is going on; nil: nothing is told
}
