package node

import (
	"strconv"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/internal/heaptest"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/session"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
)

// What waits for a program that does not take it costs what is said of it in
// docs/security.md.
func TestHeapOfFullQueues(t *testing.T) {
	n, err := New(Config{Leaf: true, WebRTC: WebRTCOff})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	url := "ws://" + strings.Repeat("x", limits.ContactURLBytes)
	events := func(q *eventQueue) func(t *testing.T) any {
		return func(t *testing.T) any {
			var b broadcaster
			if q != nil {
				b.add(q)
			}
			for i := range 100 * limits.EventQueue {
				b.send(Event{Kind: Refused, URL: transport.URL(url + strconv.Itoa(i))})
			}
			return &b
		}
	}
	heaptest.Run(t, []heaptest.Row{
		{Limit: "EventQueue", Entries: limits.EventQueue, Each: 1 << 10, Fill: events(&eventQueue{ready: make(chan struct{}, 1)})},
		{Limit: "EventsEarly", Entries: limits.EventsEarly, Each: 1 << 10, Fill: events(nil)},
		{Limit: "PortQueue", Entries: 100, Each: limits.PortQueue + limits.PortQueue/4, Fill: func(t *testing.T) any {
			all := make([]*Port, 100)
			for i := range all {
				all[i] = &Port{n: n, num: uint16(i)}
				all[i].limit.Store(limits.PortQueue)
				for why := reason.None; why == reason.None; {
					why = all[i].put(&session.Delivery{Kind: wire.PlainDatagram, Data: []byte("x")}, false)
				}
			}
			return all
		}},
	})
}
