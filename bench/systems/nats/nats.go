// Package nats is the peer that a user would otherwise take for the job: an
// embedded nats-server as the relay, A and C as its clients over plaintext TCP,
// publish to subscribe. Two relays are a cluster of two servers.
package nats

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/peermesh/peermesh/bench/harness"
)

const (
	subjectA = "a"
	subjectC = "c"
	// startLimit bounds the start of a server and of a cluster.
	startLimit = 10 * time.Second
)

// System is the NATS relay.
type System struct{}

// Name implements [harness.System].
func (System) Name() string { return "nats" }

// Open implements [harness.System].
func (System) Open(o harness.Options) (harness.Path, error) {
	servers, err := startServers(o.Relays)
	if err != nil {
		return nil, err
	}
	p := &path{servers: servers}
	first, err := o.Dial(servers[0].Addr().String())
	if err == nil {
		p.a, err = connect(first, subjectA, o.AtA)
	}
	if err == nil {
		p.c, err = connect(servers[len(servers)-1].Addr().String(), subjectC, o.AtC)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

type path struct {
	servers []*server.Server
	a, c    *nats.Conn
}

func (p *path) SendToC(msg []byte) error { return p.a.Publish(subjectC, msg) }
func (p *path) SendToA(msg []byte) error { return p.c.Publish(subjectA, msg) }

func (p *path) Close() error {
	for _, c := range []*nats.Conn{p.a, p.c} {
		if c != nil {
			c.Close()
		}
	}
	stopServers(p.servers)
	return nil
}

// connect returns a client that receives a subject.
func connect(addr, subject string, deliver harness.Handler) (*nats.Conn, error) {
	conn, err := nats.Connect("nats://"+addr, nats.NoReconnect(), nats.Timeout(startLimit))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, err = conn.Subscribe(subject, func(m *nats.Msg) { deliver(m.Data) }); err == nil {
		err = conn.FlushTimeout(startLimit)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return conn, nil
}

// startServers starts n servers, clustered if there is more than one.
func startServers(n int) ([]*server.Server, error) {
	var servers []*server.Server
	for i := range n {
		s, err := startServer(i, n > 1, servers)
		if err != nil {
			stopServers(servers)
			return nil, err
		}
		servers = append(servers, s)
	}
	if err := clustered(servers); err != nil {
		stopServers(servers)
		return nil, err
	}
	return servers, nil
}

func startServer(i int, cluster bool, before []*server.Server) (*server.Server, error) {
	o := &server.Options{
		ServerName: "bench-" + strconv.Itoa(i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
		NoLog: true, NoSigs: true,
	}
	if cluster {
		o.Cluster = server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: server.RANDOM_PORT}
	}
	for _, s := range before {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: s.ClusterAddr().String()})
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(startLimit) {
		s.Shutdown()
		return nil, errors.New("server: not ready")
	}
	return s, nil
}

// clustered waits until every server has routes to all others.
func clustered(servers []*server.Server) error {
	for deadline := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) {
		ready := 0
		for _, s := range servers {
			if len(servers) == 1 || s.NumRoutes() > 0 {
				ready++
			}
		}
		if ready == len(servers) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("cluster: not formed")
		}
	}
}

func stopServers(servers []*server.Server) {
	for _, s := range servers {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// Idle implements [harness.Idler].
func (System) Idle(links int) (harness.IdleLinks, error) {
	servers, err := startServers(1)
	if err != nil {
		return nil, err
	}
	return &idle{server: servers[0], want: links}, nil
}

type idle struct {
	server *server.Server
	want   int
	conns  []*nats.Conn
}

// Connect implements [harness.IdleLinks]. Each client has one subscription, by
// which it gets a message of its own.
func (i *idle) Connect() (ends int, err error) {
	arrived := make(chan struct{}, 1)
	for n := range i.want {
		subject := "idle." + strconv.Itoa(n)
		conn, err := connect(i.server.Addr().(*net.TCPAddr).String(), subject, func([]byte) { arrived <- struct{}{} })
		if err != nil {
			return 0, err
		}
		i.conns = append(i.conns, conn)
		if err := conn.Publish(subject, make([]byte, 64)); err != nil {
			return 0, err
		}
		<-arrived
	}
	return 2 * i.want, nil
}

// Close implements [harness.IdleLinks].
func (i *idle) Close() error {
	for _, c := range i.conns {
		c.Close()
	}
	stopServers([]*server.Server{i.server})
	return nil
}
