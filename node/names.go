package node

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/secret"
	"github.com/peermesh/peermesh/routing"
	"github.com/peermesh/peermesh/transport"
)

// names remembers what the addresses of bootstrap names led to, so that a verdict
// about one address is none about the name. Any goroutine. See ADR 035.
type names struct {
	mu    sync.Mutex
	byURL map[secret.URL]map[netip.Addr]*address
}

// address is what one address of a name led to.
type address struct {
	linked  time.Time     // the last link by it; zero: none
	verdict reason.Reason // why nobody there can be a peer; None: somebody may
	failed  int           // dials in a row that came to nothing
	again   time.Time     // when it is worth a look once more
	pause   time.Duration // until then, when it was set
}

// errAlreadyLinked ends a look that leads to a peer that there is a link with.
var errAlreadyLinked = errors.New("there is a link with this peer already")

// ordered is ctx for a dial of a name: a look tries what was not seen for a while,
// any other dial begins with what worked last.
func (m *names) ordered(ctx context.Context, url secret.URL, look bool) context.Context {
	return transport.WithAddressOrder(ctx, func(addrs []netip.Addr) []netip.Addr {
		return m.order(url, addrs, look, time.Now())
	})
}

// order returns the addresses of a name to dial now, the best first. It forgets those
// that the name does not have any more.
func (m *names) order(url secret.URL, addrs []netip.Addr, look bool, now time.Time) []netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.of(url, addrs)
	var out []netip.Addr
	for _, addr := range addrs {
		a := known[addr]
		if a != nil && !now.Before(a.again) || a != nil && !look && a.verdict == reason.None {
			out = append(out, addr)
		}
	}
	slices.SortStableFunc(out, func(x, y netip.Addr) int {
		a, b := known[x], known[y]
		if look {
			return a.again.Compare(b.again)
		}
		return cmp.Or(cmp.Compare(a.failed, b.failed), b.linked.Compare(a.linked))
	})
	return out
}

// of is what is known of the addresses of a name. It needs mu.
func (m *names) of(url secret.URL, addrs []netip.Addr) map[netip.Addr]*address {
	if m.byURL == nil {
		m.byURL = make(map[secret.URL]map[netip.Addr]*address)
	}
	old, known := m.byURL[url], make(map[netip.Addr]*address, len(addrs))
	for _, addr := range addrs[:min(len(addrs), limits.NameAddresses)] {
		if known[addr] = old[addr]; known[addr] == nil {
			known[addr] = new(address)
		}
	}
	if old != nil || len(m.byURL) < limits.BootstrapURLs {
		m.byURL[url] = known
	}
	return known
}

// note changes what is known of an address; of one that is not of the name nothing is.
func (m *names) note(url secret.URL, addr netip.Addr, change func(*address)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.byURL[url][addr]; a != nil {
		change(a)
	}
}

// rest sets when the address is worth a look again: later each time.
func (a *address) rest(now time.Time) {
	a.pause = min(max(2*a.pause, limits.NameLookFew/2), limits.NameLookAgain)
	a.again = now.Add(a.pause)
}

// came notes that an address has led to a link.
func (m *names) came(url secret.URL, addr netip.Addr, now time.Time) {
	m.note(url, addr, func(a *address) {
		*a = address{linked: now}
		a.rest(now)
	})
}

// judged notes that who answers at an address is no peer, or one that is linked
// already: why is Duplicate then. It says whether the name has an address that was not
// judged yet.
func (m *names) judged(url secret.URL, addr netip.Addr, why reason.Reason, now time.Time) (more bool) {
	m.note(url, addr, func(a *address) {
		a.failed = 0
		if a.verdict = why; why == reason.Duplicate {
			a.verdict = reason.None
		}
		a.rest(now)
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.byURL[url] {
		more = more || a.verdict == reason.None && a.failed == 0 && a.linked.IsZero() && a.pause == 0
	}
	return more
}

// failed notes that a dial of an address came to nothing.
func (m *names) failed(url secret.URL, addr netip.Addr, now time.Time) {
	m.note(url, addr, func(a *address) {
		a.failed++
		a.rest(now)
	})
}

// forget forgets a name: the user wants it tried anew.
func (m *names) forget(url secret.URL) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byURL, url)
}

// forgetAll forgets what dials of all names have come to: the network is another one.
func (m *names) forgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byURL = nil
}

// failedDial notes the addresses that a dial tried in vain.
func (m *names) failedDial(url secret.URL, err error, now time.Time) {
	var each *transport.AddressesError
	if errors.As(err, &each) {
		for _, addr := range each.Addrs {
			m.failed(url, addr, now)
		}
	}
}

// dialled notes that a dial has led to a link.
func (n *Node) dialled(d engine.Dial, conn transport.Conn) {
	if addr, ok := nameAddress(conn); ok && d.Target.Name {
		n.names.came(d.Target.URL, addr, time.Now())
	}
}

// failedByName notes what a dial of a name that failed says of its addresses, and
// completes what the engine is to know. It returns true if that is nothing: the dial
// was a look, or no address is worth one now.
func (n *Node) failedByName(d engine.Dial, conn transport.Conn, failed *engine.DialFailed) bool {
	url, now := d.Target.URL, time.Now()
	if conn == nil {
		n.names.failedDial(url, failed.Err, now)
		return d.Look || errors.Is(failed.Err, transport.ErrNoAddress)
	}
	if addr, ok := nameAddress(conn); !ok {
		return d.Look
	} else if failed.Reason == reason.Duplicate || permanent(failed.Err) {
		failed.More = n.names.judged(url, addr, failed.Reason, now)
	} else {
		n.names.failed(url, addr, now)
	}
	return d.Look
}

// wants refuses, in a look, peers that there is a link with already.
func (n *Node) wants(look bool) func(id [20]byte) error {
	if !look {
		return nil
	}
	return func(id [20]byte) error {
		if n.linkedWith(routing.ID(id)) {
			return errAlreadyLinked
		}
		return nil
	}
}
