package node

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/peermesh/peermesh/routing"
)

// Addr is a port of a node: what a host and port are to UDP. It is comparable
// and implements [net.Addr].
type Addr struct {
	ID   routing.ID
	Port uint16
}

var _ net.Addr = Addr{}

// Network returns "peermesh".
func (a Addr) Network() string { return "peermesh" }

// String returns the 40 hex digits of the ID, a colon and the port.
func (a Addr) String() string { return a.ID.String() + ":" + strconv.Itoa(int(a.Port)) }

// ParseAddr reads what [Addr.String] writes; an ID alone means port 0.
func ParseAddr(s string) (Addr, error) {
	host, port, found := strings.Cut(s, ":")
	id, err := routing.ParseID(host)
	if err != nil {
		return Addr{}, fmt.Errorf("address %q: %w", s, err)
	}
	if !found {
		return Addr{ID: id}, nil
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Addr{}, fmt.Errorf("address %q: port %q is not a number from 0 to 65535", s, port)
	}
	return Addr{ID: id, Port: uint16(p)}, nil
}
