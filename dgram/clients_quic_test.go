package dgram_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

// transfer sends size bytes by QUIC from a to c, calls halfway once when c has
// half of them, and checks that all arrived as they were.
func transfer(t testing.TB, a, c *dgram.PacketConn, size int64, halfway func()) {
	t.Helper()
	ctx := upTo(t, 2*time.Minute)
	server := &quic.Transport{Conn: c}
	defer server.Close()
	listener, err := server.Listen(dgram.ServerTLS(c.Node(), "sum"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		conn, err := listener.Accept(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		if got := conn.RemoteAddr(); got != a.LocalAddr() {
			t.Errorf("the client's address: got %v, want %v", got, a.LocalAddr())
		}
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		hash := sha256.New()
		n, err := io.CopyN(hash, stream, size/2)
		if halfway != nil {
			halfway()
		}
		m, err2 := io.Copy(hash, stream)
		fmt.Fprintf(stream, "%d bytes, %v, %v, %x", n+m, err, err2, hash.Sum(nil))
		stream.Close()
	})

	client := &quic.Transport{Conn: a}
	defer client.Close()
	conn, err := client.Dial(ctx, c.LocalAddr(), dgram.ClientTLS(addrOf(c).ID, "sum"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseWithError(0, "")
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(stream, hash), rand.NewChaCha8([32]byte{1}), size); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	got, err := io.ReadAll(stream)
	if want := fmt.Sprintf("%d bytes, <nil>, <nil>, %x", size, hash.Sum(nil)); err != nil || string(got) != want {
		t.Errorf("the other side has got %q and %v, want %q", got, err, want)
	}
	t.Logf("%d MiB in %v; dropped there %v, here %v", size>>20, time.Since(begin).Round(time.Millisecond), c.Stats().Drops, a.Stats().Drops)
}

// size is how many bytes are sent to see whether they arrive.
func size() int64 {
	switch {
	case testing.Short():
		return 1 << 20
	case raced:
		return 4 << 20
	}
	return 32 << 20
}

// A server that answers at the address and is not the node with the ID is refused.
func TestQUICIsPinned(t *testing.T) {
	a, c := apart(t)
	server := &quic.Transport{Conn: c}
	defer server.Close()
	listener, err := server.Listen(dgram.ServerTLS(a.Node(), "sum"), nil) // of another node
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := &quic.Transport{Conn: a}
	defer client.Close()
	_, err = client.Dial(upTo(t, time.Minute), c.LocalAddr(), dgram.ClientTLS(addrOf(c).ID, "sum"), nil)
	if !errors.Is(err, node.ErrTLSCertificate) {
		t.Errorf("a certificate of another ID: got %v, want %v", err, node.ErrTLSCertificate)
	}
}

func TestQUICOverTwoRelays(t *testing.T) {
	a, c := apart(t)
	transfer(t, a, c, size(), nil)
}

// The relay that carries a transfer dies in the middle of it: it goes on by the
// other one.
func TestQUICSurvivesTheEndOfARelay(t *testing.T) {
	for _, whose := range []string{"the sender's", "the receiver's"} {
		t.Run(whose, func(t *testing.T) {
			r := relays(t, 4)
			pairs := map[string][]*node.Node{"the sender's": r[:2], "the receiver's": r[2:]}
			a, c := leaf(t, 0, r[:2]...), leaf(t, 4433, r[2:]...)
			most := size() / 4
			transfer(t, a, c, most, func() { kill(t, pairs[whose], most/2) })
		})
	}
}

// kill ends the busier one of two relays, which have forwarded so many bytes.
func kill(t testing.TB, pair []*node.Node, bytes int64) {
	busy := pair[0]
	if pair[1].Status().Forwarded > busy.Status().Forwarded {
		busy = pair[1]
	}
	if got, want := busy.Status().Forwarded, uint64(bytes/2/1452); got < want {
		t.Errorf("the relay on the way: got %d frames forwarded, want %d and more", got, want)
	}
	busy.Close()
}
