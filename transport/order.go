package transport

import (
	"context"
	"net/netip"
)

type orderKey struct{}

// AddressOrder gets the addresses of a name, in the order of preference of the
// resolver, and returns those to dial, the best first.
type AddressOrder func([]netip.Addr) []netip.Addr

// WithAddressOrder returns a context with which a Dialer dials the addresses of a
// name in the order that order gives them. An address that order leaves out is not
// dialled. Carriers without names do not call it, and nor does a dial by a proxy,
// which resolves the name itself.
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
