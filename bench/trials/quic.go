package trials

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/peermesh/peermesh/dgram"
)

// QUIC is one stream of quic-go over package dgram, through one relay, and the
// same over loopback UDP right after it; in bytes per second that arrived.
type QUIC struct {
	Mesh float64 `json:"mesh_bytes_per_s"`
	UDP  float64 `json:"udp_bytes_per_s"`
}

// packetConns makes the two ends of a measurement.
type packetConns func() (server, client net.PacketConn, close func() error, err error)

// MeasureQUIC measures each for some time.
func MeasureQUIC(ctx context.Context, run time.Duration) (q QUIC, err error) {
	if q.Mesh, err = stream(ctx, overMesh, run); err != nil {
		return q, fmt.Errorf("quic over the mesh: %w", err)
	}
	if q.UDP, err = stream(ctx, overUDP, run); err != nil {
		return q, fmt.Errorf("quic over UDP: %w", err)
	}
	return q, nil
}

func overUDP() (server, client net.PacketConn, closeAll func() error, err error) {
	if server, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return nil, nil, nil, err
	}
	if client, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return nil, nil, nil, errors.Join(err, server.Close())
	}
	return server, client, func() error { return errors.Join(client.Close(), server.Close()) }, nil
}

func overMesh() (server, client net.PacketConn, closeAll func() error, err error) {
	m := new(mesh)
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if err := m.open(); err != nil {
		return nil, nil, nil, err
	}
	var ends [2]net.PacketConn
	for i := range ends {
		n, err := m.leaf(0)
		if err != nil {
			return nil, nil, nil, err
		}
		if ends[i], err = dgram.Listen(n, 1); err != nil {
			return nil, nil, nil, err
		}
	}
	return ends[0], ends[1], m.close, nil
}

// stream sends on one stream for some time, after a tenth of it to warm up.
func stream(ctx context.Context, conns packetConns, run time.Duration) (rate float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, run+readyLimit)
	defer cancel()
	server, client, closeConns, err := conns()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeConns()) }()
	s, c := &quic.Transport{Conn: server}, &quic.Transport{Conn: client}
	defer func() { err = errors.Join(err, c.Close(), s.Close()) }()
	serverTLS, clientTLS, err := certificates()
	if err != nil {
		return 0, err
	}
	listener, err := s.Listen(serverTLS, nil)
	if err != nil {
		return 0, err
	}
	dialled, err := c.Dial(ctx, server.LocalAddr(), clientTLS, nil)
	if err != nil {
		return 0, err
	}
	accepted, err := listener.Accept(ctx)
	if err != nil {
		return 0, err
	}
	sent := make(chan error, 1)
	go func() { sent <- pump(ctx, dialled) }()
	rate, err = drain(ctx, accepted, run)
	_ = dialled.CloseWithError(0, "done") // ends pump with an error that is the wish
	<-sent
	return rate, err
}

// pump writes until the connection is closed.
func pump(ctx context.Context, c *quic.Conn) error {
	s, err := c.OpenUniStreamSync(ctx)
	for buf := make([]byte, 64<<10); err == nil; {
		_, err = s.Write(buf)
	}
	return err
}

// drain reads and returns the rate of what arrived.
func drain(ctx context.Context, c *quic.Conn, run time.Duration) (float64, error) {
	s, err := c.AcceptUniStream(ctx)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	read := func(d time.Duration) (n int, took time.Duration, err error) {
		begin := time.Now()
		for took < d && err == nil {
			var k int
			k, err = s.Read(buf)
			n, took = n+k, time.Since(begin)
		}
		return n, took, err
	}
	if _, _, err := read(run / 10); err != nil {
		return 0, err
	}
	n, took, err := read(run)
	return float64(n) / took.Seconds(), err
}

// certificates are those of the server, and what the client trusts: anything,
// since the mesh or loopback has proven the other end.
func certificates() (server, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	protocols := []string{"bench"}
	return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols},
		&tls.Config{InsecureSkipVerify: true, NextProtos: protocols}, nil
}
