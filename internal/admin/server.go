package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/httpbound"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
)

// Config says what is shown. Node must be set.
type Config struct {
	Node    *node.Node
	Version string         // of the program
	Commit  string         // that it was built from; empty: unknown
	Level   *slog.LevelVar // of the program's log; nil: it cannot be read or set

	conns *connections // of the Server; nil: there is none
}

// connectionsLimit is the name of the bound on the listener's connections.
const connectionsLimit = "admin-connections"

// openFilesLimit is the name of the system's bound on the files, and so the
// connections, that the process has open.
const openFilesLimit = "open-files"

// connections tell of those of a Server. Any goroutine.
type connections struct {
	open    func() int
	refused atomic.Uint64
	last    atomic.Int64 // when one was refused, in Unix nanoseconds
}

func (c *connections) refuse() {
	c.last.Store(time.Now().UnixNano())
	c.refused.Add(1)
}

// picture is the node's status, with the bound of the listener that shows it.
func (c *Config) picture() node.Status {
	s := c.Node.Status()
	if c.conns == nil {
		return s
	}
	if used, most, ok := openFiles(); ok {
		s.Limits = append(s.Limits, node.LimitUse{Name: openFilesLimit, Used: used, Max: most})
	}
	s.Limits = append(s.Limits, node.LimitUse{Name: connectionsLimit, Used: c.conns.open(), Max: limits.AdminConns})
	if refused := c.conns.refused.Load(); refused > 0 {
		s.LimitsHit[connectionsLimit], s.LimitsHitAt[connectionsLimit] = refused, time.Unix(0, c.conns.last.Load()).UTC()
	}
	return s
}

// Server is a running listener.
type Server struct {
	http  *httpbound.Server
	addr  string
	ended sync.WaitGroup
}

// ErrNotLoopback is the cause of an error about an address that others could reach.
var ErrNotLoopback = errors.New("want a loopback address, such as 127.0.0.1:9090 or [::1]:9090")

// CheckAddr tells what is wrong with the address of a listener: nil if it is
// host:port with a loopback host.
func CheckAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !isLoopback(host) {
		return ErrNotLoopback
	}
	return nil
}

// Listen starts a server on a loopback address, host:port; port 0 takes a free
// one. Close ends it; it does not end with the node.
func Listen(addr string, cfg Config) (*Server, error) {
	if err := CheckAddr(addr); err != nil {
		return nil, fmt.Errorf("admin %s: %w", addr, err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin %s: %w", addr, err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() { // "localhost" may be anything
		_ = l.Close()
		return nil, fmt.Errorf("admin %s: %w", addr, ErrNotLoopback)
	}
	cfg.conns = &connections{}
	s := &Server{addr: l.Addr().String(), http: httpbound.NewServer(NewHandler(cfg), httpbound.Options{
		Refused: cfg.conns.refuse,
		Conns:   limits.AdminConns, Header: limits.AdminHeader, HeaderTime: limits.AdminHeaderTime, Read: limits.AdminRead, Write: limits.AdminWrite,
	})}
	cfg.conns.open = s.http.Open
	s.ended.Go(func() { guard.Do("the admin listener", func() { _ = s.http.Serve(l) }, nil) })
	return s, nil
}

// URL is the address of the page, http://host:port/.
func (s *Server) URL() string { return "http://" + s.addr + "/" }

// Close ends the listener and all its connections.
func (s *Server) Close() error {
	err := s.http.Close()
	s.ended.Wait()
	return err
}

// isLoopback tells whether a host, without port and brackets, is this machine
// by its name, in any case and with or without the dot of the root, or by a
// loopback address.
func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
