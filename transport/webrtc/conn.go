//go:build !nowebrtc

package webrtc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/transport"
)

// maxMessage is the longest message: what 16 bits count, and all ends of data
// channels take.
const maxMessage = 65_535

// channel is a detached data channel. It is safe for concurrent use.
type channel interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	BufferedAmount() uint64 // bytes that the peer has not acknowledged
	SetBufferedAmountLowThreshold(n uint64)
	OnBufferedAmountLow(f func())
}

// Conn is a pipe over a data channel; it implements transport.Conn.
type Conn struct {
	attempt *Attempt
	raw     channel
	binding []byte
	pair    atomic.Pointer[pion.ICECandidatePair] // at the opening, or as last seen
	low     chan struct{}                         // there may be room again
	done    chan struct{}                         // closed when cause is set
	closing sync.Once
	recv    sync.Mutex  // held while a goroutine receives
	heeded  atomic.Bool // the first message is received, or waited for
	spoken  atomic.Bool // a whole message was received

	mu    sync.Mutex
	cause error // why no call succeeds any more
}

var _ transport.Conn = (*Conn)(nil)

func newConn(a *Attempt, raw any) (*Conn, error) {
	ch, ok := raw.(channel)
	if !ok {
		return nil, fmt.Errorf("the library's channel is a %T, which lacks what this package needs", raw)
	}
	binding, err := bindingOf(a.pc.SCTP().Transport())
	if err != nil {
		return nil, err
	}
	c := &Conn{
		attempt: a, raw: ch, binding: binding,
		low: make(chan struct{}, 1), done: make(chan struct{}),
	}
	ch.OnBufferedAmountLow(guard.Func("room on a link over WebRTC", c.wakeFlush, a.broke))
	c.selected()
	return c, nil
}

// bindingOf returns the SHA-256 fingerprints of both certificates, the own
// first, as they were used in the handshake.
func bindingOf(t *pion.DTLSTransport) ([]byte, error) {
	own, err := t.GetLocalParameters()
	if err != nil {
		return nil, err
	}
	for _, f := range own.Fingerprints {
		sum, err := hex.DecodeString(strings.ReplaceAll(f.Value, ":", ""))
		if strings.EqualFold(f.Algorithm, "sha-256") && err == nil && len(sum) == sha256.Size {
			other := sha256.Sum256(t.GetRemoteCertificate())
			return append(sum, other[:]...), nil
		}
	}
	return nil, errors.New("no SHA-256 fingerprint of the own certificate")
}

// Max implements transport.Conn.
func (*Conn) Max() int { return maxMessage }

// Batch is how many bytes of small messages are worth to be one message: more
// would keep those behind them waiting.
func (*Conn) Batch() int { return batch }

// Kind implements transport.Conn.
func (*Conn) Kind() string { return "webrtc" }

// Binding implements transport.Conn.
func (c *Conn) Binding() []byte { return c.binding }

// Pair returns the types of the two candidates in use: "host", "srflx",
// "prflx" or "relay". It is direct unless one of them is "relay".
func (c *Conn) Pair() (local, remote string) {
	p := c.selected()
	if p == nil {
		return "", ""
	}
	return p.Local.Typ.String(), p.Remote.Typ.String()
}

// RemoteAddr implements transport.Conn: the address of the peer's candidate in
// use, the relay's if that is one. A peer on this machine is at the loopback
// address, whichever of the machine's addresses the packets go by.
func (c *Conn) RemoteAddr() net.Addr {
	p := c.selected()
	if p == nil {
		return nil
	}
	at := net.UDPAddr{IP: net.ParseIP(p.Remote.Address), Port: int(p.Remote.Port)}
	if c.sameMachine(p) {
		at.IP = loopbackLike(at.IP)
	}
	return &at
}

// LocalAddr implements transport.Local: the address that packets leave from, which a
// server or the peer may see as another; nil where a server relays.
func (c *Conn) LocalAddr() net.Addr {
	p := c.selected()
	if p == nil || p.Local.Typ == pion.ICECandidateTypeRelay {
		return nil
	}
	at := net.UDPAddr{IP: net.ParseIP(p.Local.Address), Port: int(p.Local.Port)}
	if p.Local.Typ != pion.ICECandidateTypeHost {
		at.IP, at.Port = net.ParseIP(p.Local.RelatedAddress), int(p.Local.RelatedPort)
	}
	if at.IP == nil || at.IP.IsUnspecified() {
		return nil // the library does not always tell where what a server saw began
	}
	return &at
}

// sameMachine says whether both ends of a pair are this machine's. What a server
// relays or saw is nobody's own address, so nothing follows from it.
func (c *Conn) sameMachine(p *pion.ICECandidatePair) bool {
	local, errLocal := netip.ParseAddr(p.Local.Address)
	remote, errRemote := netip.ParseAddr(p.Remote.Address)
	if errLocal != nil || errRemote != nil || p.Local.Typ == pion.ICECandidateTypeRelay ||
		p.Remote.Typ != pion.ICECandidateTypeHost && p.Remote.Typ != pion.ICECandidateTypePrflx {
		return false
	}
	local, remote = local.Unmap().WithZone(""), remote.Unmap().WithZone("")
	return local.IsLoopback() || local == remote || c.attempt.gather.isOwn(remote)
}

// loopbackLike is the loopback address of the same family.
func loopbackLike(ip net.IP) net.IP {
	if ip.To4() == nil {
		return net.IPv6loopback
	}
	return loopback.AsSlice()
}

// selected returns the pair in use or, at the end, the last that was.
func (c *Conn) selected() *pion.ICECandidatePair {
	ice := c.attempt.pc.SCTP().Transport().ICETransport()
	if p, err := ice.GetSelectedCandidatePair(); err == nil && p != nil {
		c.pair.Store(p)
	}
	return c.pair.Load()
}

// lost ends the pipe for a cause, the first one counts, and wakes the sender.
// A receiver still gets what has arrived before.
func (c *Conn) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = err
	close(c.done)
	_ = c.raw.SetReadDeadline(time.Now())
}

// because returns why the pipe ended; err if that is not known yet.
func (c *Conn) because(err error) error {
	c.lost(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

func (c *Conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
