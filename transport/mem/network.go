package mem

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"github.com/peermesh/peermesh/transport"
)

// Scheme is that of the URLs of this carrier: mem://name.
const Scheme = "mem"

// Addr is the name of an end within its Network. It implements net.Addr.
type Addr string

// Network returns "mem".
func (Addr) Network() string { return Scheme }

// String returns the URL, mem://name.
func (a Addr) String() string { return Scheme + "://" + string(a) }

// Network connects listeners and dialers by name. The zero value is an empty
// network. All methods may be called by any number of goroutines.
type Network struct {
	// Opening, if set, sees each new pipe before either end is used: dialler
	// and listener by name, and their ends, for faults to be set on. An error
	// refuses the dial. Set it before the first one.
	Opening func(from, to string, dialled, accepted *Conn) error

	mu        sync.Mutex
	listeners map[string]*Listener
}

// Listener is a name that can be dialled.
type Listener struct {
	network *Network
	name    string
	accept  func(transport.Conn)
}

// Listen takes a name. accept is given each new pipe, which it owns from then
// on; it runs on the dialler's goroutine and returns at once. A name is taken
// once.
func (n *Network) Listen(name string, accept func(transport.Conn)) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name == "" {
		return nil, errors.New("mem: listen: no name given")
	}
	if _, taken := n.listeners[name]; taken {
		return nil, fmt.Errorf("mem: listen: name %q is taken", name)
	}
	if n.listeners == nil {
		n.listeners = make(map[string]*Listener)
	}
	l := &Listener{network: n, name: name, accept: accept}
	n.listeners[name] = l
	return l, nil
}

// Addr is the listener's name.
func (l *Listener) Addr() Addr { return Addr(l.name) }

// Close gives the name back. Accepted pipes live on.
func (l *Listener) Close() error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.network.listeners[l.name] == l {
		delete(l.network.listeners, l.name)
	}
	return nil
}

func (n *Network) find(name string) *Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners[name]
}

// Dialer returns what dials in the name of from, which is what listeners see
// as RemoteAddr.
func (n *Network) Dialer(from string) transport.Dialer { return &dialer{n, from} }

type dialer struct {
	network *Network
	from    string
}

// Dial implements transport.Dialer. It never waits.
func (d *dialer) Dial(ctx context.Context, u *url.URL) (transport.Conn, error) {
	fail := func(stage string, err error) (transport.Conn, error) {
		return nil, &transport.DialError{URL: transport.URL(Scheme + "://" + u.Host), Stage: stage, Err: err}
	}
	if u.Scheme != Scheme || u.Host == "" {
		return fail(transport.StageParse, errors.New("not an address in memory; write mem://name"))
	}
	if err := ctx.Err(); err != nil {
		return fail(transport.StageConnect, err)
	}
	l := d.network.find(u.Host)
	if l == nil {
		return fail(transport.StageConnect, fmt.Errorf("nobody listens as %q; start that node first", u.Host))
	}
	dialled, accepted := Pipe()
	dialled.remote, accepted.remote = Addr(l.name), Addr(d.from)
	if open := d.network.Opening; open != nil {
		if err := open(d.from, l.name, dialled, accepted); err != nil {
			return fail(transport.StageConnect, err)
		}
	}
	l.accept(accepted)
	return dialled, nil
}
