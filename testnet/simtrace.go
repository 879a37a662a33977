package testnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/link"
)

// simTrace hashes everything that nodes do: each action of an engine and each
// record on a carrier, with its time and its node.
type simTrace struct {
	hash hash.Hash
	buf  []byte // gathered for the hash
}

// traceBuffer is how many bytes gather before they are hashed.
const traceBuffer = 16 << 10

func (t *simTrace) begin(now time.Duration, node int32, what byte) {
	if t.hash == nil {
		t.hash = sha256.New()
	}
	if len(t.buf) >= traceBuffer {
		t.hash.Write(t.buf)
		t.buf = t.buf[:0]
	}
	t.u64(uint64(now))
	t.u64(uint64(node))
	t.buf = append(t.buf, what)
}

func (t *simTrace) u64(v uint64) { t.buf = binary.BigEndian.AppendUint64(t.buf, v) }

func (t *simTrace) bytes(b []byte) {
	t.u64(uint64(len(b)))
	t.buf = append(t.buf, b...)
}

func (t *simTrace) link(l *link.Link) {
	if l != nil {
		t.u64(l.Number)
	}
}

// The marks of what is not an action.
const (
	traceRecord byte = iota
	traceStart
	traceEnd
)

// record notes that a node hands a record to a carrier.
func (t *simTrace) record(now time.Duration, from, to int32, b []byte) {
	t.begin(now, from, traceRecord)
	t.u64(uint64(to))
	t.bytes(b)
}

// action notes what a node's engine decided.
func (t *simTrace) action(now time.Duration, node int32, a engine.Action) {
	const first = 'A' // the actions' marks
	switch a := a.(type) {
	case engine.Dial:
		t.begin(now, node, first)
		t.bytes([]byte(a.Target.URL.Reveal()))
		t.u64(uint64(a.Count))
	case engine.CloseLink:
		t.begin(now, node, first+1)
		t.link(a.Link)
		t.u64(uint64(a.Reason))
		for _, c := range a.Contacts {
			t.bytes(c)
		}
	case engine.PingLink:
		t.begin(now, node, first+2)
		t.link(a.Link)
	case engine.Reforward:
		t.begin(now, node, first+3)
		t.link(a.Link)
	case engine.Compute:
		t.begin(now, node, first+4)
	case engine.SendLink:
		t.begin(now, node, first+5)
		t.link(a.Link)
		t.bytes(a.Frame)
	case engine.SendFrame:
		t.begin(now, node, first+6)
		t.u64(uint64(a.K))
		t.bytes(a.Frame)
	case engine.Tell:
		t.begin(now, node, first+7)
		t.u64(uint64(a.Notice.Kind)<<8 | uint64(a.Notice.Reason))
		t.link(a.Notice.Link)
		t.bytes(a.Notice.Peer[:])
	}
}

// sum is the hash so far, in hex digits.
func (t *simTrace) sum() string {
	t.begin(0, 0, traceEnd)
	t.hash.Write(t.buf)
	t.buf = t.buf[:0]
	return hex.EncodeToString(t.hash.Sum(nil))
}
