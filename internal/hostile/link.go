package hostile

import (
	"context"
	"sync"

	"github.com/flynn/noise"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Link is a link whose handshake is over. Its methods may be called from any
// goroutine, but Next only while Run was not called.
type Link struct {
	Self      *Self
	Pipe      Pipe
	Peer      wire.ID // who answered
	PeerHello wire.Hello

	sending sync.Mutex
	send    direction
	recv    direction // of whoever reads
	rest    []byte    // of the last batch, for Next

	mu       sync.Mutex
	news     chan struct{} // closed and replaced when inbox or err change
	inbox    [][]byte      // frames that nobody took yet
	missed   int           // frames that fell out of inbox
	taken    wire.Taken    // what was read; of the reader
	owed     bool          // an ack; of the reader
	sessions map[uint32]*Session
	index    uint32
	err      error // why reading ended
	running  sync.WaitGroup
}

func (l *Link) init() {
	l.news = make(chan struct{})
	l.sessions = make(map[uint32]*Session)
}

// direction seals or opens one direction, with a new key when one is due.
type direction struct {
	state *noise.CipherState
	n     uint64
}

func (d *direction) count() {
	if d.n++; d.n%limits.LinkRekey == 0 {
		d.state.Rekey()
	}
}

// Send sends frames in one batch.
func (l *Link) Send(frames ...[]byte) error {
	var batch []byte
	for _, f := range frames {
		batch = wire.AppendToBatch(batch, f)
	}
	return l.SendBatch(batch)
}

// SendBatch seals and sends any plaintext.
func (l *Link) SendBatch(batch []byte) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	sealed, err := l.send.state.Encrypt(nil, nil, batch)
	if err != nil {
		return err
	}
	l.send.count()
	return l.Pipe.Write(sealed)
}

// Next reads on to the next frame, of whatever kind, and answers nothing.
func (l *Link) Next() ([]byte, error) {
	for len(l.rest) == 0 {
		msg, err := l.Pipe.Read()
		if err != nil {
			return nil, err
		}
		l.taken.Bytes += uint64(len(msg))
		if l.rest, err = l.recv.state.Decrypt(nil, nil, msg); err != nil {
			return nil, err
		}
		l.recv.count()
	}
	frame, rest, err := wire.NextInBatch(l.rest)
	if l.rest = rest; len(rest) == 0 {
		l.rest = nil // an idle client keeps no batch
	}
	return frame, err
}

// Habits say what a link does of itself with what it reads.
type Habits struct {
	NoPong bool // pings are not answered
	NoAck  bool // frames are never acked
	// On sees each frame before all else; true: it is dealt with, though still
	// counted in acks. It runs on the reader and may send.
	On func(frame []byte) bool
}

// Run starts to read, until the link ends. A link that nobody runs reads nothing.
func (l *Link) Run(h Habits) *Link {
	l.running.Go(func() {
		for {
			frame, err := l.Next()
			if err == nil {
				err = l.dispatch(frame, &h)
			}
			if err != nil {
				l.end(err)
				return
			}
		}
	})
	return l
}

func (l *Link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	l.tell()
}

// tell wakes all who wait; it needs mu.
func (l *Link) tell() {
	close(l.news)
	l.news = make(chan struct{})
}

// dispatch does with one frame what the habits say. An error ends the link.
func (l *Link) dispatch(frame []byte, h *Habits) error {
	if !wire.IsLink(frame) {
		l.owed = true
		if len(frame) >= wire.HeaderLen && wire.FrameFlags(frame).Class() != wire.ClassBulk {
			l.taken.Count++
		}
	}
	if l.owed && !h.NoAck && len(l.rest) == 0 {
		l.owed = false
		if err := l.Send(wire.AppendLinkAck(nil, l.taken)); err != nil {
			return err
		}
	}
	if h.On != nil && h.On(frame) {
		return nil
	}
	if nonce, err := wire.ParsePing(frame); err == nil && !h.NoPong {
		return l.Send(wire.AppendPong(nil, nonce))
	}
	if !l.toSession(frame) {
		l.keep(frame)
	}
	return nil
}

// inboxLen is how many frames wait for Await.
const inboxLen = 4096

func (l *Link) keep(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.inbox) >= inboxLen {
		l.inbox, l.missed = l.inbox[1:], l.missed+1
	}
	l.inbox = append(l.inbox, frame)
	l.tell()
}

// Await returns the first frame that no session took and that is wanted, and
// forgets those before it. Only while the link runs.
func (l *Link) Await(ctx context.Context, wanted func(frame []byte) bool) ([]byte, error) {
	for {
		l.mu.Lock()
		for i, f := range l.inbox {
			if wanted(f) {
				l.inbox = l.inbox[i+1:]
				l.mu.Unlock()
				return f, nil
			}
		}
		l.inbox = nil
		news, err := l.news, l.err
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// IsLink wants link frames of a type.
func IsLink(t wire.LinkType) func([]byte) bool {
	return func(f []byte) bool { return len(f) > 0 && f[0] == byte(t) }
}

// IsMesh wants mesh frames of a type.
func IsMesh(t wire.Type) func([]byte) bool {
	return func(f []byte) bool { return len(f) >= wire.HeaderLen && wire.FrameType(f) == t }
}

// Ping sends a Ping and waits for its Pong.
func (l *Link) Ping(ctx context.Context, nonce [8]byte) error {
	if err := l.Send(wire.AppendPing(nil, nonce)); err != nil {
		return err
	}
	_, err := l.Await(ctx, func(f []byte) bool {
		got, err := wire.ParsePong(f)
		return err == nil && got == nonce
	})
	return err
}

// Ended waits until the node ends the link and returns the Bye that it sent, if
// it did. Only while the link runs.
func (l *Link) Ended(ctx context.Context) (bye *wire.Bye, err error) {
	for {
		f, err := l.Await(ctx, IsLink(wire.LinkBye))
		if err != nil {
			if ctx.Err() != nil {
				return bye, ctx.Err()
			}
			return bye, nil
		}
		if b, err := wire.ParseBye(f); err == nil {
			bye = &b
		}
	}
}

// Close ends the link at once and returns when nothing of it runs any more.
func (l *Link) Close() error {
	err := l.Pipe.Close()
	l.running.Wait()
	return err
}
