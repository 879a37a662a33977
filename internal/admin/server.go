package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

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
}

// Server is a running listener.
type Server struct {
	http  *http.Server
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
	s := &Server{addr: l.Addr().String(), http: httpbound.NewServer(NewHandler(cfg), httpbound.Options{
		Conns: limits.AdminConns, Header: limits.AdminHeader, Read: limits.AdminRead, Write: limits.AdminWrite,
	})}
	s.ended.Go(func() { _ = s.http.Serve(l) })
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
// by its name or by a loopback address.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
