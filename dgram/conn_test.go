package dgram

import (
	"testing"
	"time"

	"github.com/peermesh/peermesh/node"
)

func TestThereAndBack(t *testing.T) {
	a, err := ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := ListenConfig(node.Config{Bootstrap: a.Node().URLs()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.WriteTo([]byte("hello"), a.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	a.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := a.ReadFrom(buf)
	t.Log(n, from, err, a.Stats())
	if err != nil {
		t.Fatal(err)
	}
	b.SetReadDeadline(time.Now().Add(10 * time.Second))
	a.WriteTo(buf[:n], from)
	n, from, err = b.ReadFrom(buf)
	t.Log(n, from, err, a.Stats())
	a.WriteTo([]byte("self"), a.LocalAddr())
	n, from, err = a.ReadFrom(buf)
	t.Log(n, from, err, a.Stats())
}
