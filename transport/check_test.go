package transport_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/peermesh/peermesh/transport"
)

var errNotV4 = errors.New("not an IPv4 address")

func onlyV4(a netip.Addr) error {
	if !a.Is4() {
		return errNotV4
	}
	return nil
}

func TestAddressCheck(t *testing.T) {
	free := context.Background()
	v4 := transport.WithAddressCheck(free, onlyV4)
	errLoopback := errors.New("loopback")
	both := transport.WithAddressCheck(v4, func(a netip.Addr) error {
		if a.IsLoopback() {
			return errLoopback
		}
		return nil
	})
	for _, test := range []struct {
		name    string
		ctx     context.Context
		address string
		want    error
	}{
		{"no check", free, "[2001:db8::1]:80", nil},
		{"no check, no address", free, "/run/socket", nil},
		{"passes", v4, "127.0.0.1:80", nil},
		{"refused", v4, "[::1]:80", errNotV4},
		{"refused with a zone", v4, "[fe80::1%eth0]:80", errNotV4},
		{"mapped addresses are unmapped", v4, "[::ffff:127.0.0.1]:80", nil},
		{"what is no address is refused", v4, "localhost:80", transport.ErrAddress},
		{"the inner check counts", both, "127.0.0.1:80", errLoopback},
		{"the outer check counts", both, "[::2]:80", errNotV4},
		{"both pass", both, "192.0.2.1:80", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := transport.CheckAddress(test.ctx, test.address)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && !errors.Is(err, transport.ErrAddress) {
				t.Errorf("%v is not ErrAddress", err)
			}
		})
	}
	if transport.HasAddressCheck(free) || !transport.HasAddressCheck(v4) {
		t.Error("HasAddressCheck: got the opposite")
	}
}
