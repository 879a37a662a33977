package testnet

import (
	"math"
	"slices"
	"time"
)

// Report tells what became of a network and of the messages sent in it. Its
// JSON form is versioned by V.
type Report struct {
	V         int   `json:"v"`
	Nodes     int   `json:"nodes"`
	Links     Links `json:"links"`     // with relays, of one node
	LeafLinks Links `json:"leafLinks"` // with leaves, of one relay
	// Carriers counts the links between running nodes by the kind of their carrier:
	// "ws", "webrtc" or, of simulations, "sim". Two ends are one link.
	Carriers      map[string]int `json:"carriers"`
	Sent          int            `json:"sent"`
	First         int            `json:"first"`         // the first transmission reached the port; see Net.Deliver
	Delivered     int            `json:"delivered"`     // acknowledged
	Hops          Spread         `json:"hops"`          // of the copy that arrived first
	HandshakeHops Spread         `json:"handshakeHops"` // of the first frame between two nodes; simulations alone
	LatencyMs     Spread         `json:"latencyMs"`     // from Send to its ack
	SettledMs     float64        `json:"settledMs"`     // from the last start until every node was reachable
	// MaintenancePerNodeMinute counts the crossings of mesh frames that keep the
	// mesh together (Nearest, Answer, Hint), from the time the network had settled; until then it
	// and the next two are 0.
	MaintenancePerNodeMinute float64 `json:"maintenancePerNodeMinute"`
	// LinkFramesPerNodeMinute counts link frames in the same time, pings, pongs
	// and acks apart.
	LinkFramesPerNodeMinute float64 `json:"linkFramesPerNodeMinute"`
	PingsPerNodeMinute      float64 `json:"pingsPerNodeMinute"` // pings, pongs and link acks
	BytesPerNode            int     `json:"bytesPerNode"`       // of memory; 0: not measured
	TraceHash               string  `json:"traceHash,omitempty"`

	Duplicates int      `json:"duplicates"`         // second deliveries: none is allowed
	FalseAcks  int      `json:"falseAcks"`          // acks of what was not delivered: none is allowed
	Displaced  int      `json:"displaced"`          // proven links that went for a stranger's sake
	Failures   []string `json:"failures,omitempty"` // the promises that were broken
}

// Links is how many links a node has.
type Links struct {
	Mean float64 `json:"mean"`
	Max  int     `json:"max"`
}

// Spread is the distribution of a figure.
type Spread struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// spreadOf is the distribution of some values, which it sorts: p50 is the least
// that half of them do not exceed, p99 accordingly. The mean has three decimals.
func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	rank := func(share float64) float64 { return values[int(math.Ceil(share*float64(len(values))))-1] }
	mean := math.Round(sum/float64(len(values))*1000) / 1000
	return Spread{Mean: mean, P50: rank(0.5), P99: rank(0.99), Max: values[len(values)-1]}
}

// milliseconds is a time in milliseconds, to a microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
