//go:build !nowebrtc

package webrtc_test

import (
	"fmt"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/transport"
	"github.com/peermesh/peermesh/transport/webrtc"
)

var sizes = []int{100, 1 << 10, 16 << 10}

// BenchmarkConn is the throughput of a pipe over loopback, both ends in one
// process; the messages are handed over as links do, up to a batch at a time.
func BenchmarkConn(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			from, to := pipe(b, endpoint(b, webrtc.Config{}), endpoint(b, webrtc.Config{}))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			go func() {
				msg := make([]byte, size)
				for i := range b.N {
					if from.Send(msg) != nil {
						return
					}
					if gathered := (i + 1) * size; gathered%from.Batch() < size || i == b.N-1 {
						if done, err := from.TryFlush(); err == nil && !done {
							_ = from.Flush()
						}
					}
				}
			}()
			receive(b, to, b.N)
		})
	}
}

func receive(b *testing.B, c transport.Conn, count int) {
	room := make([]byte, c.Max()+1)
	buf := func() []byte { return room }
	for range count {
		if _, err := c.Receive(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
}

// BenchmarkBare is the same with the library alone: a detached channel, one
// large buffer at the receiver, the sender held at the same marks.
func BenchmarkBare(b *testing.B) {
	for _, size := range sizes {
		for _, ordered := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/ordered=%v", size, ordered), func(b *testing.B) { bare(b, size, ordered) })
		}
	}
}

type detached interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}

func bare(b *testing.B, size int, ordered bool) {
	var se pion.SettingEngine
	se.DetachDataChannels()
	se.SetIncludeLoopbackCandidate(true)
	se.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	api := pion.NewAPI(pion.WithSettingEngine(se))
	opened := [2]chan detached{make(chan detached, 1), make(chan detached, 1)}
	room := make(chan struct{}, 1)
	var pcs [2]*pion.PeerConnection
	var channels [2]*pion.DataChannel
	id, yes, none := uint16(0), true, uint16(0)
	init := &pion.DataChannelInit{ID: &id, Negotiated: &yes, Ordered: &ordered}
	if !ordered {
		init.MaxRetransmits = &none
	}
	for i := range pcs {
		pcs[i], _ = api.NewPeerConnection(pion.Configuration{})
		defer func() { _ = pcs[i].GracefulClose() }()
		channels[i], _ = pcs[i].CreateDataChannel("bare", init)
		channels[i].SetBufferedAmountLowThreshold(512 << 10)
		channels[i].OnBufferedAmountLow(func() {
			select {
			case room <- struct{}{}:
			default:
			}
		})
		channels[i].OnOpen(func() {
			raw, _ := channels[i].Detach()
			opened[i] <- raw
		})
	}
	offer, _ := pcs[0].CreateOffer(nil)
	gathered := pion.GatheringCompletePromise(pcs[0])
	_ = pcs[0].SetLocalDescription(offer)
	<-gathered
	_ = pcs[1].SetRemoteDescription(*pcs[0].LocalDescription())
	answer, _ := pcs[1].CreateAnswer(nil)
	gathered = pion.GatheringCompletePromise(pcs[1])
	_ = pcs[1].SetLocalDescription(answer)
	<-gathered
	_ = pcs[0].SetRemoteDescription(*pcs[1].LocalDescription())
	from, to := <-opened[0], <-opened[1]
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	done := make(chan struct{})
	go func() {
		defer close(done)
		msg := make([]byte, size)
		for range b.N {
			_, _ = from.Write(msg)
			if channels[0].BufferedAmount() > 1<<20 {
				<-room
			}
		}
		if !ordered {
			_ = pcs[0].Close() // some are lost: the receiver sees an end
		}
	}()
	buf := make([]byte, 1<<16)
	arrived := 0
	for arrived < b.N {
		if _, err := to.Read(buf); err != nil {
			break
		}
		arrived++
	}
	b.StopTimer()
	<-done
	b.ReportMetric(100*float64(arrived)/float64(b.N), "%arrived")
}
