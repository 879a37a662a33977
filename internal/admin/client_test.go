package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestClientTellsWhatIsWrong(t *testing.T) {
	answer := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, test := range []struct{ name, at, says string }{
		{"nobody", "127.0.0.1:1", "no running node answers"},
		{"another server", answer(404, ""), "404"},
		{"another page", answer(200, "<html>"), "something else"},
		{"a later version", answer(200, `{"v":2}`), "same release"},
		{"a full one", closing(t), "the admin page is busy"},
		{"broken", answer(200, `{"v":1,"id":3}`), "id"},
	} {
		c, err := NewClient(test.at)
		if err == nil {
			defer c.Close()
			_, err = c.Status(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.says)
		}
	}
	for _, at := range []string{"", "https://127.0.0.1:1", "127.0.0.1", "http://", "%"} {
		if _, err := NewClient(at); err == nil {
			t.Errorf("NewClient(%q): got no error", at)
		}
	}
}

// closing takes connections and gives no answers.
func closing(t *testing.T) (at string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1<<10))
			c.Close()
		}
	}()
	return l.Addr().String()
}
