package ws

import (
	"fmt"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
)

// BenchmarkBatch moves batches of two full records, one system call each.
func BenchmarkBatch(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%v", secure), func(b *testing.B) {
			a, z := pair(b, Settings{}, secure)
			record := make([]byte, limits.LinkBatch/2)
			b.SetBytes(limits.LinkBatch)
			b.ReportAllocs()
			received := make(chan error)
			go func() {
				room := inRoom(limits.MaxRecord)
				for {
					if _, err := z.Receive(room); err != nil {
						received <- err
						return
					}
				}
			}()
			for b.Loop() {
				for range 2 {
					if err := a.Send(record[:limits.RecordPayload]); err != nil {
						b.Fatal(err)
					}
				}
				if err := a.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			_ = a.Close()
			<-received
		})
	}
}

// BenchmarkRoundTrip sends 1 KiB there and back.
func BenchmarkRoundTrip(b *testing.B) {
	a, z := pair(b, Settings{}, false)
	msg := make([]byte, 1<<10)
	b.ReportAllocs()
	echoed := make(chan error)
	go func() {
		room := inRoom(len(msg))
		for {
			if err := exchangeOne(z, room); err != nil {
				echoed <- err
				return
			}
		}
	}()
	room := inRoom(len(msg))
	for b.Loop() {
		if err := exchange(a, a, msg, room); err != nil {
			b.Fatal(err)
		}
	}
	_ = a.Close()
	<-echoed
}

// exchangeOne returns one message to where it came from.
func exchangeOne(c *Conn, room func() []byte) error {
	msg, err := c.Receive(room)
	if err != nil {
		return err
	}
	if err := c.Send(msg); err != nil {
		return err
	}
	if done, err := c.TryFlush(); done || err != nil {
		return err
	}
	return c.Flush()
}
