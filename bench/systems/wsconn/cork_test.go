package wsconn

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// TestTryReleaseLeavesTheRest fills a socket that nobody reads.
func TestTryReleaseLeavesTheRest(t *testing.T) {
	cork, far := pair(t)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	cork.Hold()
	if _, err := cork.Write(want); err != nil {
		t.Fatal(err)
	}
	if done, err := cork.TryRelease(); done || err != nil {
		t.Fatalf("got done %v, error %v, want neither", done, err)
	}
	got := make(chan []byte)
	go func() { b, _ := io.ReadAll(far); got <- b }()
	if err := cork.Release(); err != nil {
		t.Fatal(err)
	}
	if err := cork.Close(); err != nil {
		t.Fatal(err)
	}
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("got %d bytes, want the %d written, unchanged", len(b), len(want))
	}
}

func TestTryReleaseWritesAll(t *testing.T) {
	cork, far := pair(t)
	cork.Hold()
	for _, word := range []string{"one ", "two ", "three"} {
		if _, err := cork.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := cork.TryRelease(); !done || err != nil {
		t.Fatalf("got done %v, error %v, want done", done, err)
	}
	if _, err := cork.Write([]byte(" through")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("one two three through"))
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "one two three through" {
		t.Errorf("got %q, error %v", b, err)
	}
}

func pair(t *testing.T) (*Cork, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	cork, err := newCork(near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); _ = near.Close(); _ = far.Close() })
	return cork, far
}
