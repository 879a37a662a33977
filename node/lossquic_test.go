package node_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/mem"
)

// A transfer by QUIC arrives as it was although a relay loses one Data frame in a
// hundred, in both directions.
func TestQUICUnderLoss(t *testing.T) {
	const (
		size   = 4 << 20
		packet = 1_452 // bytes, the most that QUIC sends
	)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	a, c, lost := lossyLine(t, ctx, 100)
	server, client := &quic.Transport{Conn: c}, &quic.Transport{Conn: a}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer server.Close()
	defer client.Close()
	listener, err := server.Listen(&tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"sum"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	serving.Go(func() {
		conn, err := listener.Accept(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		hash := sha256.New()
		n, err := io.Copy(hash, stream)
		fmt.Fprintf(stream, "%d bytes, %v, %x", n, err, hash.Sum(nil))
		stream.Close()
	})
	conn, err := client.Dial(ctx, c.LocalAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"sum"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseWithError(0, "")
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(stream, hash), mathrand.NewChaCha8([32]byte{1}), size); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	got, err := io.ReadAll(stream)
	if want := fmt.Sprintf("%d bytes, <nil>, %x", size, hash.Sum(nil)); err != nil || string(got) != want {
		t.Errorf("the other side has got %q and %v, want %q", got, err, want)
	}
	if lost() < size/packet/200 {
		t.Errorf("frames lost: got %d, want one in a hundred of %d and more", lost(), size/packet)
	}
}

// lossyLine is two ports of leaves that are joined by one relay, over memory,
// which loses a share of the Data frames.
func lossyLine(t *testing.T, ctx context.Context, share uint32) (a, c *dgram.PacketConn, lost func() uint64) {
	t.Helper()
	var network mem.Network
	relay, err := node.New(node.Config{MaxLeaves: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	lost = node.Lose(relay, share)
	listener, err := network.Listen("relay", relay.Accept)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var ends [2]*dgram.PacketConn
	for i := range ends {
		ends[i], err = dgram.ListenConfig(node.Config{
			Leaf: true, WebRTC: node.WebRTCOff, Bootstrap: []string{"mem://relay"}, Dialers: map[string]transport.Dialer{"mem": network.Dialer("leaf")},
		}, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ends[i].Close() })
		if err := ends[i].Node().Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1], lost
}

// selfSigned is a certificate; the mesh tells who is at the other end.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
