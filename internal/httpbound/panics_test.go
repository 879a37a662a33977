package httpbound

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
)

// A handler that panics loses its connection, with a word, and nobody else's; one
// that aborts on purpose, without.
func TestPanicOfAHandlerIsTold(t *testing.T) {
	told := make(chan *guard.Panic, 2)
	mux := http.NewServeMux()
	var faults atomic.Value
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {
		switch fault, _ := faults.Load().(string); fault {
		case "panic":
			panic("a handler's fault")
		case "abort":
			panic(http.ErrAbortHandler)
		}
	})
	host := serve(t, NewServer(mux, Options{
		Conns: 8, HeaderTime: time.Minute, Read: time.Minute, Write: time.Minute,
		Panicked: func(p *guard.Panic) { told <- p },
	}))
	for _, fault := range []string{"panic", "abort"} {
		faults.Store(fault)
		if status, err := get(dial(t, host)); err == nil {
			t.Errorf("%s: got status %d, want the connection closed", fault, status)
		}
	}
	faults.Store("")
	if status, err := get(dial(t, host)); status != http.StatusOK {
		t.Errorf("the next request: got %d, %v", status, err)
	}
	if p := <-told; len(told) != 0 || p.Value != "a handler's fault" || len(p.Stack) == 0 {
		t.Errorf("got %v and %d more, want the one panic with its stack", p, len(told))
	}
}
