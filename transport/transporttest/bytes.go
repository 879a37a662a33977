package transporttest

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/peermesh/peermesh/transport"
)

// anyBytes are messages that mean something to somebody below, above or beside a
// carrier, or nothing to anybody. A carrier takes them all for bytes.
func anyBytes(max int) [][]byte {
	all := [][]byte{nil, {}}
	for b := range 256 {
		all = append(all, []byte{byte(b)})
	}
	for _, length := range []uint64{0, 1, 2, 0x7fff, 0xffff, 0x10000, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1<<63 - 1, 1<<64 - 1} {
		l := binary.BigEndian.AppendUint64(nil, length)
		all = append(all, l[6:], l[4:], l, append(l[6:], 1), append(l[4:], 1), append(l, 1))
	}
	for _, text := range []string{
		"\x00\x00", "\x00\x01\x80", "\x00\x05\x80", "\xff\xff\x01", // batches of frames: empty, whole, cut
		"\x82\x05hello", "\x88\x02\x03\xe8", "\x89\x00", "\x02\x85\x00\x00\x00\x00hel", // frames of WebSocket
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01", // HTTP, TLS
		"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x02", // of data channels: an open, an ack
	} {
		all = append(all, []byte(text))
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same in every run
	for range 200 {
		size := random.IntN(40)
		if random.IntN(8) == 0 {
			size = random.IntN(max + 1)
		}
		msg := make([]byte, size)
		for i := range msg {
			msg[i] = byte(random.Uint32())
		}
		all = append(all, msg)
	}
	return all
}

func testAnyBytes(t testing.TB, a, b transport.Conn) {
	for _, pipe := range []struct{ from, to transport.Conn }{{a, b}, {b, a}} {
		want := anyBytes(pipe.from.Max())
		sent := start(func() error { return sendInGroups(pipe.from, want) })
		arrives(t, pipe.to, want...)
		if err := awaitResult(t, "Flush", sent); err != nil {
			t.Fatal(err)
		}
	}
}

// sendInGroups flushes after every message, or gathers some, by turns.
func sendInGroups(c transport.Conn, all [][]byte) error {
	random := rand.New(rand.NewPCG(3, 4))
	for _, msg := range all {
		if err := c.Send(msg); err != nil {
			return err
		}
		switch random.IntN(3) {
		case 0:
			if err := c.Flush(); err != nil {
				return err
			}
		case 1:
			if _, err := c.TryFlush(); err != nil {
				return err
			}
		}
	}
	return c.Flush()
}

// A message that is too long is refused by name, at either end and however long it
// is, and the pipe lives on.
func testSendTooBig(t testing.TB, a, b transport.Conn) {
	for _, pipe := range []struct{ from, to transport.Conn }{{a, b}, {b, a}} {
		most := pipe.from.Max()
		for _, size := range []int{most + 1, most + 2, 2*most + 1, 4 << 20} {
			err := pipe.from.Send(make([]byte, size))
			if !errors.Is(err, transport.ErrMessageTooBig) {
				t.Fatalf("Send of %d bytes, Max is %d: got %v, want ErrMessageTooBig", size, most, err)
			}
			if text := err.Error(); !strings.Contains(text, strconv.Itoa(size)) || !strings.Contains(text, strconv.Itoa(most)) {
				t.Errorf("Send of %d bytes: got %q, want both sizes told", size, text)
			}
		}
		send(t, pipe.from, message(1, 10))
		flush(t, pipe.from)
		arrives(t, pipe.to, message(1, 10))
	}
}

// FuzzBytes fuzzes what a pipe carries: messages of any bytes, gathered and flushed
// in any groups, arrive as they were sent.
func FuzzBytes(f *testing.F, pair Pair) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte("hello"), []byte{0, 1, 2, 3})
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, []byte{4, 0x84, 0})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		a, b := pair(t)
		defer a.Close()
		defer b.Close()
		var want [][]byte
		for _, cut := range cuts { // 7 bits of length; the eighth flushes
			msg := data[:min(len(data), int(cut&0x7f), a.Max())]
			data = data[len(msg):]
			want = append(want, msg)
			send(t, a, msg)
			if cut&0x80 != 0 {
				flush(t, a)
			}
		}
		for data := data[:min(len(data), a.Max())]; ; data = nil { // the rest, and an empty one
			want = append(want, data)
			send(t, a, data)
			if len(data) == 0 {
				break
			}
		}
		flush(t, a)
		arrives(t, b, want...)
	})
}
