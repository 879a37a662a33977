package transport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// ErrAddress says that a URL leads to an address that the caller of the dial
// does not allow, see [WithAddressCheck].
var ErrAddress = errors.New("address not allowed")

// AddressError is an ErrAddress with the address and why it is refused.
type AddressError struct {
	Addr netip.Addr // unmapped, without its zone
	Err  error      // from the check
}

// Error names the address and the cause.
func (e *AddressError) Error() string { return fmt.Sprintf("%v: %v", e.Addr, e.Err) }

// Unwrap returns ErrAddress and the cause.
func (e *AddressError) Unwrap() []error { return []error{ErrAddress, e.Err} }

type checkKey struct{}

// AddressCheck says whether an address may be connected to; its error is why
// not. It may be called by several goroutines at once.
type AddressCheck func(netip.Addr) error

// WithAddressCheck returns a context with which a Dialer connects only to
// addresses that check lets pass: each one, after names are resolved and
// whatever it was written as, right before it is connected to. A check that ctx
// has already holds as well. Carriers without IP addresses do not call it.
func WithAddressCheck(ctx context.Context, check AddressCheck) context.Context {
	if outer := addressCheck(ctx); outer != nil {
		inner := check
		check = func(a netip.Addr) error {
			if err := outer(a); err != nil {
				return err
			}
			return inner(a)
		}
	}
	return context.WithValue(ctx, checkKey{}, check)
}

// HasAddressCheck says whether a dial with ctx is restricted.
func HasAddressCheck(ctx context.Context) bool { return addressCheck(ctx) != nil }

// CheckAddress is for Dialers: it tells whether an address, "ip:port" as
// [net.Dialer] gives it to its Control functions, may be connected to. The error
// is an *AddressError.
func CheckAddress(ctx context.Context, address string) error {
	check := addressCheck(ctx)
	if check == nil {
		return nil
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &AddressError{Err: fmt.Errorf("%q is no IP address with a port", address)}
	}
	addr := ap.Addr().Unmap().WithZone("")
	if err := check(addr); err != nil {
		return &AddressError{Addr: addr, Err: err}
	}
	return nil
}

func addressCheck(ctx context.Context) AddressCheck {
	check, _ := ctx.Value(checkKey{}).(AddressCheck)
	return check
}
