package netwatch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Picture is what the links of a node stand on.
type Picture struct {
	Addrs []netip.Addr  // of the machine, without zones
	Ready []netip.Addr  // of these, those on an interface that carries something
	Out   [2]netip.Addr // from where a public address of IPv4 and of IPv6 would be sent to; the zero Addr: it cannot
	Ways  uint64        // grows when a default route comes or goes, where that is told
}

// Change is what is different from the picture before.
type Change struct {
	Gone  []netip.Addr  // the machine does not have these any more
	Dead  []netip.Addr  // it has these, and their interface carries nothing any more
	New   []netip.Addr  // these carry from now on
	Moved bool          // what goes out takes another way
	Slept time.Duration // for so long nothing of this process ran; 0: it did not sleep
}

// Any says that something is different.
func (c *Change) Any() bool {
	return len(c.Gone)+len(c.Dead)+len(c.New) > 0 || c.Moved || c.Slept > 0
}

// String says what is different, for people.
func (c *Change) String() string {
	var words []string
	for _, w := range []struct {
		is   string
		what []netip.Addr
	}{{"gone", c.Gone}, {"without a carrier", c.Dead}, {"new", c.New}} {
		if len(w.what) > 0 {
			words = append(words, w.is+": "+list(w.what))
		}
	}
	if c.Moved {
		words = append(words, "another way out")
	}
	if c.Slept > 0 {
		words = append(words, fmt.Sprintf("slept for %v", c.Slept.Round(time.Second)))
	}
	return strings.Join(words, ", ")
}

// told is how many addresses String names.
const told = 4

func list(addrs []netip.Addr) string {
	var b strings.Builder
	for i, a := range addrs {
		if i == told {
			fmt.Fprintf(&b, " and %d more", len(addrs)-told)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	return b.String()
}

// between is what changed from one picture to the next.
func between(old, now *Picture) Change {
	return Change{
		Gone:  without(old.Addrs, now.Addrs),
		Dead:  both(without(old.Ready, now.Ready), now.Addrs),
		New:   without(now.Ready, old.Ready),
		Moved: old.Out != now.Out || old.Ways != now.Ways,
	}
}

// without is what is in a and not in b, in order.
func without(a, b []netip.Addr) []netip.Addr {
	return sorted(a, func(x netip.Addr) bool { return !slices.Contains(b, x) })
}

// both is what is in a and in b, in order.
func both(a, b []netip.Addr) []netip.Addr {
	return sorted(a, func(x netip.Addr) bool { return slices.Contains(b, x) })
}

func sorted(from []netip.Addr, keep func(netip.Addr) bool) (out []netip.Addr) {
	for _, x := range from {
		if keep(x) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}
