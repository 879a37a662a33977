package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
)

// paper is a log to be read.
type paper struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *paper) says(words ...string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range words {
		if !strings.Contains(p.b.String(), w) {
			return false
		}
	}
	return true
}

// A handler that panics loses its port; the node goes on.
func TestPanicOfAHandlerClosesItsPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		log := new(paper)
		b := m.listen("b", Config{})
		b.log = slog.New(slog.NewTextHandler(log, nil))
		b.cfg.Logger = b.log
		a := m.start("a", Config{Bootstrap: []string{"mem://b"}})
		ready(t, a)
		b.Handle(HandlerFunc(func(context.Context, *Message) { panic("a handler's fault") }))
		if _, err := a.Request(within(t, 2*time.Second), b.ID(), []byte("x")); err == nil {
			t.Error("a request to a handler that panicked was answered")
		}
		synctest.Wait()
		if !log.says("a handler's fault", "the handler of port 0", "panics_test.go") {
			t.Error("the log does not tell of the panic, where it was and its stack")
		}
		if got := b.Status().Panics; got != 1 || b.Err() != nil {
			t.Errorf("got %d panics, error %v; want 1 and none", got, b.Err())
		}
		if err := a.Send(within(t, 2*time.Second), b.ID(), nil); !errors.Is(err, ErrNoHandler) {
			t.Errorf("a send to the port: got %v, want ErrNoHandler", err)
		}
		b.Handle(newInbox())
		if err := a.Send(within(t, 2*time.Second), b.ID(), nil); err != nil {
			t.Errorf("a send once there is another handler: %v", err)
		}
	})
}

// panicking is a reader of a link that panics.
type panicking struct{}

func (panicking) HandleBatch(*link.Link, []byte) reason.Reason { panic("a reader's fault") }

// A reader that panics loses its link.
func TestPanicOfAReaderEndsItsLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{})
		b.between = func(*walker) link.Handler { return panicking{} }
		events := watch(t, b.Node)
		m.start("a", Config{Bootstrap: []string{"mem://b"}})
		awaitEvent(t, events, PeerDown, nil)
		synctest.Wait() // the link ends before the guard of its task tells
		if b.Status().Panics == 0 || b.Err() != nil {
			t.Errorf("got %d panics, error %v; want some and none", b.Status().Panics, b.Err())
		}
	})
}

// A loop that panics ends the node, with an error; what waits on it ends too.
func TestPanicOfTheLoopEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, b, c := relayed(t, m, Config{})
		waits := make(chan error, 1)
		go func() { waits <- a.Send(context.Background(), routingID([20]byte{9}), nil) }()
		synctest.Wait()
		a.post(engine.Reach{Contact: engine.Contact{ID: a.ID()}, Done: func(error) { panic("the loop's fault") }})
		<-a.Done()
		var p *guard.Panic
		if err := a.Err(); !errors.As(err, &p) || !strings.Contains(err.Error(), "the loop's fault") {
			t.Errorf("Err: got %v, want the loop's panic", err)
		}
		if err := <-waits; err == nil {
			t.Error("a send that waited on the node succeeded")
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		c.Handle(newInbox())
		if err := b.Send(within(t, 5*time.Second), c.ID(), nil); err != nil {
			t.Errorf("two others are disturbed: %v", err)
		}
	})
}
