//go:build linux && !nowebrtc

package browsertest

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/peermesh/peermesh/internal/ws"
)

// patience bounds every wait: far more than anything takes on a busy machine,
// so that only a fault runs into it.
const patience = 30 * time.Second

//go:embed client testdata
var files embed.FS

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// page is the page of testdata in a browser.
type page struct {
	browser *chromium
	conn    *ws.Conn
	agent   string

	sending sync.Mutex // held while a message is sent

	mu         sync.Mutex
	last       int // call or attempt
	calls      map[int]chan said
	candidates map[int]chan string // of each attempt that may tell more; closed then
	ended      error
}

// said is what the page says: that it is there, a candidate, or the outcome of a
// call.
type said struct {
	Ready     string          `json:"ready"`
	Attempt   int             `json:"attempt"`
	Candidate string          `json:"candidate"`
	ID        int             `json:"id"`
	Result    json.RawMessage `json:"result"`
	Error     string          `json:"error"`
}

// openPage serves the page on loopback and opens it in Chromium.
func openPage(t *testing.T) *page {
	t.Helper()
	p := &page{calls: make(map[int]chan said), candidates: make(map[int]chan string)}
	accepted := make(chan *ws.Conn, 1)
	server := httptest.NewServer(handler(t, accepted))
	t.Cleanup(server.Close)
	p.browser = startChromium(t, server.URL+"/")
	select {
	case p.conn = <-accepted:
	case <-p.browser.ended:
		t.Fatal("Chromium ended by itself")
	case <-time.After(2 * patience):
		t.Fatal("the page did not open")
	}
	ready := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(ready)
	}()
	t.Cleanup(func() {
		_ = p.conn.Close()
		<-read
	})
	select {
	case p.agent = <-ready:
	case <-time.After(patience):
		t.Fatal("the page says nothing")
	}
	return p
}

// handler serves the page, its modules and its WebSocket.
func handler(t *testing.T, accepted chan<- *ws.Conn) http.Handler {
	t.Helper()
	testdata, err := fs.Sub(files, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(testdata))
	mux.Handle("/client/", http.FileServerFS(files))
	mux.HandleFunc("/control", func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, ws.AcceptOptions{Settings: ws.Settings{MaxMessage: 1 << 20}}); err == nil {
			select {
			case accepted <- c:
			default: // a second page: there is none
				_ = c.Close()
			}
		}
	})
	return mux
}

// read hands out what the page says, until its end.
func (p *page) read(ready chan<- string) {
	memory := make([]byte, 1<<20+1)
	for {
		_, text, err := p.conn.ReceiveMessage(func() []byte { return memory })
		var s said
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		p.mu.Lock()
		switch {
		case err != nil:
			p.ended = fmt.Errorf("the page is gone: %w", err)
			for id, c := range p.calls {
				c <- said{Error: p.ended.Error()}
				delete(p.calls, id)
			}
			p.mu.Unlock()
			return
		case s.Ready != "":
			ready <- s.Ready
		case s.Attempt != 0:
			p.candidate(s.Attempt, s.Candidate)
		case p.calls[s.ID] != nil:
			p.calls[s.ID] <- s
			delete(p.calls, s.ID)
		}
		p.mu.Unlock()
	}
}

// candidate queues a candidate; an empty one is the last.
func (p *page) candidate(attempt int, line string) {
	c := p.candidates[attempt]
	switch {
	case c == nil:
	case line == "":
		p.forget(attempt)
	default:
		c <- line
	}
}

// forget ends the candidates of an attempt.
func (p *page) forget(attempt int) {
	if c := p.candidates[attempt]; c != nil {
		close(c)
		delete(p.candidates, attempt)
	}
}

// attempt returns the number of a new attempt, and where its candidates will be.
func (p *page) attempt() (n int, candidates <-chan string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	queue := make(chan string, 100) // more than a machine has
	p.candidates[p.last] = queue
	return p.last, queue
}

type args map[string]any

// begin makes a call and returns how to wait for its outcome. An error of the
// page is one of its text.
func (p *page) begin(name string, a args) (wait func(result any) error) {
	outcome := make(chan said, 1)
	p.mu.Lock()
	p.last++
	id, ended := p.last, p.ended
	p.calls[id] = outcome
	p.mu.Unlock()
	if ended != nil {
		return func(any) error { return ended }
	}
	text, err := json.Marshal(args{"id": id, "call": name, "args": a})
	if err == nil {
		p.sending.Lock()
		defer p.sending.Unlock()
		err = errors.Join(p.conn.SendMessage(ws.Text, text), p.conn.Flush())
	}
	return func(result any) error {
		if err != nil {
			return err
		}
		select {
		case s := <-outcome:
			switch {
			case s.Error != "":
				return errors.New(s.Error)
			case result == nil:
				return nil
			}
			return json.Unmarshal(s.Result, result)
		case <-time.After(patience):
			return fmt.Errorf("%s: no outcome for %v", name, patience)
		}
	}
}

// call makes a call and returns its result.
func call[T any](t *testing.T, p *page, name string, a args) (result T) {
	t.Helper()
	if err := p.begin(name, a)(&result); err != nil {
		t.Fatalf("the page: %s: %v", name, err)
	}
	return result
}

// do makes a call that has no result.
func (p *page) do(t *testing.T, name string, a args) {
	t.Helper()
	if err := p.begin(name, a)(nil); err != nil {
		t.Fatalf("the page: %s: %v", name, err)
	}
}
