package node

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// swallow makes an attacker take frames, ack them on the link, and lose them.
func (a *attacker) swallow() {
	var taken wire.Taken
	for {
		msg, err := a.conn.Receive(func() []byte { return make([]byte, limits.MaxRecord+1) })
		if err != nil {
			return
		}
		taken.Bytes += uint64(len(msg))
		batch, err := a.remote.Recv.Open(nil, msg, nil)
		if err != nil {
			return
		}
		for len(batch) > 0 {
			frame, rest, err := wire.NextInBatch(batch)
			if err != nil {
				return
			}
			batch = rest
			if n, err := wire.ParsePing(frame); err == nil {
				a.send(wire.AppendPong(nil, n))
			} else if !wire.IsLink(frame) {
				if wire.FrameFlags(frame).Class() < wire.ClassBulk {
					taken.Count++
				}
				a.send(wire.AppendLinkAck(nil, taken))
			}
		}
	}
}

// A receipt tells how often a message left, and when the second time was.
func TestReceiptTellsTheCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a, b, c := relayed(t, m, Config{})
		c.Handle(newInbox())
		port, err := a.OpenPort(7, newInbox())
		if err != nil {
			t.Fatal(err)
		}
		got, err := port.SendWithReceipt(within(t, time.Second), Addr{ID: c.ID()}, nil)
		if err != nil || got.Copies != 1 || got.First == 0 {
			t.Errorf("got %+v, %v, want one copy", got, err)
		}
		got, err = port.SendWithReceipt(within(t, time.Second), Addr{ID: c.ID(), Port: 9}, nil)
		if !errors.Is(err, ErrNoHandler) || got.Copies != 1 || got.First == 0 {
			t.Errorf("refused: got %+v, %v, want one copy", got, err)
		}
		b.Disconnect(c.ID())
		synctest.Wait()
		got, err = port.SendWithReceipt(within(t, time.Second), Addr{ID: c.ID()}, nil)
		if err == nil || got.Copies < 2 || got.First == 0 {
			t.Errorf("without a way: got %+v, %v, want copies and the name of the first", got, err)
		}
	})
}

// Three of the sender's four relays lose whatever they are given, silently. Send
// gets through all the same, by the fourth.
func TestSendGoesRoundSilentDroppers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		a := m.listen("a", Config{})
		b := m.listen("b", Config{Bootstrap: []string{"mem://a"}})
		c := m.start("c", Config{Bootstrap: []string{"mem://b"}, Leaf: true})
		ready(t, b.Node, c)
		for range 3 {
			x := m.attack("a", wire.RoleRelay)
			go x.swallow()
			t.Cleanup(func() { x.conn.Close() })
		}
		synctest.Wait()
		box := newInbox()
		c.Handle(box)
		const count = 20
		for i := range count {
			if err := a.Send(within(t, 30*time.Second), c.ID(), []byte(fmt.Sprint(i))); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		if got := len(box.wait(t, count)); got != count {
			t.Errorf("messages: got %d, want %d", got, count)
		}
		for _, l := range a.live.all() {
			l.conn.Close()
		}
	})
}

func TestNodeInAServerOfTheCaller(t *testing.T) {
	n, err := New(Config{MaxLeaves: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/app", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the app") })
	mux.Handle("/mesh/", http.StripPrefix("/mesh", n))
	server := httptest.NewServer(mux)
	defer server.Close()

	leaf, err := New(Config{Leaf: true, Bootstrap: []string{"ws" + strings.TrimPrefix(server.URL, "http") + "/mesh/"}})
	if err != nil {
		t.Fatal(err)
	}
	defer leaf.Close()
	ready(t, leaf)
	box := newInbox()
	n.Handle(box)
	if err := leaf.Send(within(t, amply), n.ID(), []byte("through the app's server")); err != nil {
		t.Fatal(err)
	}
	box.wait(t, 1)
	for path, want := range map[string]string{"/app": "the app", "/mesh/healthz": "ok", "/mesh/": "peermesh"} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 200)
		k, _ := resp.Body.Read(body)
		resp.Body.Close()
		if !strings.Contains(string(body[:k]), want) {
			t.Errorf("GET %s: got %q, want %q in it", path, body[:k], want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
