package ws

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/peermesh/peermesh/internal/guard"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport"
)

// resolve returns the addresses to dial, in order: those of the name, the families by
// turns (RFC 8305, section 4).
func resolve(ctx context.Context, host string, lookup Lookup) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addrs, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	addrs = transport.OrderAddresses(ctx, byTurns(addrs))
	if len(addrs) == 0 {
		return nil, transport.ErrNoAddress
	}
	return addrs[:min(len(addrs), limits.DialAddresses)], nil
}

// byTurns takes one address of each family by turns, beginning with that of the first.
func byTurns(addrs []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	out := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out
}

// outcome is what became of the dial of one address.
type outcome struct {
	addr netip.Addr
	conn *Conn
	err  error
}

// race dials addresses one after the other, and does not wait for one that says
// nothing: the next begins limits.DialStagger after it, or after its last progress,
// and at once when it has failed. The first connection ends all others. try calls
// progress for each step that the server has answered. Race returns when all have
// ended.
func race(ctx context.Context, addrs []netip.Addr, try func(ctx context.Context, addr netip.Addr, progress func()) (*Conn, error)) (*Conn, []outcome) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan outcome, len(addrs))
	progress := make(chan int, 1)
	next := time.NewTimer(limits.DialStagger)
	defer next.Stop()
	begun, running := 0, 0
	begin := func() {
		if begun == len(addrs) || begun > 0 && ctx.Err() != nil {
			return
		}
		number, addr := begun, addrs[begun]
		begun++
		running++
		next.Reset(limits.DialStagger)
		go guard.Do("a dial", func() {
			o := outcome{addr: addr, err: errBroken}
			defer func() { outcomes <- o }()
			o.conn, o.err = try(ctx, addr, func() {
				select {
				case progress <- number:
				default:
				}
			})
		}, nil)
	}
	var won *Conn
	var failed []outcome
	for begin(); running > 0; {
		select {
		case <-next.C:
			begin()
		case number := <-progress:
			if number == begun-1 {
				next.Reset(limits.DialStagger)
			}
		case o := <-outcomes:
			running--
			switch {
			case o.err != nil:
				failed = append(failed, o)
				begin()
			case won == nil:
				won = o.conn
				cancel()
			default:
				_ = o.conn.Close()
			}
		}
	}
	return won, failed
}

var errBroken = errors.New("the dial ended by a fault of this program")

// stages are those of a dial, in order.
var stages = [...]string{transport.StageResolve, transport.StageConnect, transport.StageProxy, transport.StageTLS, transport.StageUpgrade, transport.StageSubprotocol}
