package transport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrNoAddress says that a name has no address to dial, or that the caller's order
// has left none, see [WithAddressOrder].
var ErrNoAddress = errors.New("no address to dial")

type orderKey struct{}

// AddressOrder gets the addresses of a name, in the order of preference of the
// resolver, and returns those to dial, the best first.
type AddressOrder func([]netip.Addr) []netip.Addr

// WithAddressOrder returns a context with which a Dialer dials the addresses of a
// name in the order that order gives them. An address that order leaves out is not
// dialled. For a dial by a proxy, which resolves the name itself, the zero Addr stands
// for all of them. Carriers without names do not call it.
func WithAddressOrder(ctx context.Context, order AddressOrder) context.Context {
	return context.WithValue(ctx, orderKey{}, order)
}

// OrderAddresses is for Dialers: it returns the addresses of a name that a dial with
// ctx tries, in order.
func OrderAddresses(ctx context.Context, addrs []netip.Addr) []netip.Addr {
	if order, _ := ctx.Value(orderKey{}).(AddressOrder); order != nil {
		return order(addrs)
	}
	return addrs
}

// AddressesError is why no address of a name led to a connection. A *DialError
// holds it.
type AddressesError struct {
	Addrs []netip.Addr
	Errs  []error // of each
}

// Error is that of the one address, or names the first few with their reasons.
func (e *AddressesError) Error() string {
	if len(e.Errs) == 1 {
		return e.Errs[0].Error()
	}
	var b strings.Builder
	for i, err := range e.Errs[:min(len(e.Errs), addressesNamed)] {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%v: %v", e.Addrs[i], err)
	}
	if more := len(e.Errs) - addressesNamed; more > 0 {
		fmt.Fprintf(&b, "; and %d more addresses", more)
	}
	return b.String()
}

// addressesNamed is how many addresses the text of an AddressesError has.
const addressesNamed = 4

// Unwrap returns the errors of all addresses.
func (e *AddressesError) Unwrap() []error { return e.Errs }
