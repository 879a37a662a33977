//go:build linux

package natlab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lineRole is a line between two hosts in user space, for kernels that have no netem.
// It makes two TUN devices, named by its arguments, which the test moves to the hosts,
// and carries packets from one to the other. Each line of input is a [shaping] for one
// direction, or empty; the answer to each is one lineCount.
func lineRole() error {
	ends, err := openTUNs(os.Args[1:3])
	if err != nil {
		return err
	}
	ways := [2]*way{newWay(ends[0], ends[1]), newWay(ends[1], ends[0])}
	for _, w := range ways {
		go w.read()
		go w.send()
		go w.write()
	}
	print := json.NewEncoder(os.Stdout)
	if err := print.Encode(lineCount{}); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if len(in.Bytes()) > 0 {
			var s shaping
			if err := json.Unmarshal(in.Bytes(), &s); err != nil {
				return err
			}
			ways[s.Way].shape(s)
		}
		if err := print.Encode(lineCount{ways[0].count(), ways[1].count()}); err != nil {
			return err
		}
	}
	return nil
}

// shaping is what one direction of a line is like from now on.
type shaping struct {
	Way     int           // 0: from the first device to the second, 1: back
	Rate    float64       // bits a second, IP headers counted
	Delay   time.Duration // one way
	Packets int           // that wait at most
	Loss    float64       // part of the packets that get lost behind the queue
}

// lineCount is what the directions of a line have carried.
type lineCount [2]wayCount

type wayCount struct{ Packets, Bytes, Dropped int }

func openTUNs(names []string) (ends [2]*os.File, err error) {
	for i, name := range names {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			return ends, err
		}
		r, err := unix.NewIfreq(name)
		if err != nil {
			return ends, err
		}
		r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
			return ends, fmt.Errorf("make device %s: %w", name, err)
		}
		ends[i] = os.NewFile(uintptr(fd), name)
	}
	return ends, nil
}

// way is one direction: a queue that drops at its tail, a sender with a rate, and a
// delay behind it.
type way struct {
	from, to *os.File
	due      chan packet
	changed  chan struct{} // there is a packet, or another rate

	mu      sync.Mutex
	s       shaping
	queue   [][]byte
	carried wayCount
}

type packet struct {
	data []byte
	at   time.Time
}

// farAway is how many packets may be on their way behind the queue.
const farAway = 1 << 16

// fine is what the clock of a busy machine cannot tell: a sender does not wait for less.
const fine = 500 * time.Microsecond

func newWay(from, to *os.File) *way {
	return &way{from: from, to: to, due: make(chan packet, farAway), changed: make(chan struct{}, 1), s: shaping{Rate: 1e9, Packets: 1000}}
}

func (w *way) shape(s shaping) {
	w.mu.Lock()
	w.s = s
	w.mu.Unlock()
	w.change()
}

func (w *way) change() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *way) count() wayCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.carried
}

func (w *way) read() {
	for buf := make([]byte, 1<<16); ; {
		n, err := w.from.Read(buf)
		if err != nil {
			return // the host is gone
		}
		w.take(append([]byte(nil), buf[:n]...))
	}
}

// take puts a packet into the queue, if there is room.
func (w *way) take(p []byte) {
	w.mu.Lock()
	if len(w.queue) >= w.s.Packets {
		w.carried.Dropped++
		w.mu.Unlock()
		return
	}
	w.queue = append(w.queue, p)
	w.mu.Unlock()
	w.change()
}

// send takes packets from the queue at the rate of the line.
func (w *way) send() {
	for free := time.Now(); ; {
		p, s := w.first()
		if p == nil {
			<-w.changed
			if now := time.Now(); free.Before(now) {
				free = now
			}
			continue
		}
		free = w.serialize(free, float64(len(p))*8)
		w.sent(len(p))
		if rand.Float64() < s.Loss {
			continue
		}
		w.due <- packet{p, free.Add(s.Delay)}
	}
}

func (w *way) first() ([]byte, shaping) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil, w.s
	}
	return w.queue[0], w.s
}

// serialize waits until so many bits have left, whatever becomes of the rate meanwhile,
// and returns when that was.
func (w *way) serialize(from time.Time, bits float64) time.Time {
	for {
		_, s := w.first()
		end := from.Add(time.Duration(bits / s.Rate * float64(time.Second)))
		wait := time.Until(end)
		if wait < fine {
			return end
		}
		select {
		case <-time.After(wait):
			return end
		case <-w.changed:
			now := time.Now()
			if now.After(from) {
				bits -= now.Sub(from).Seconds() * s.Rate
				from = now
			}
		}
	}
}

func (w *way) sent(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = w.queue[1:]
	w.carried.Packets++
	w.carried.Bytes += bytes
}

func (w *way) write() {
	for p := range w.due {
		time.Sleep(time.Until(p.at))
		if _, err := w.to.Write(p.data); err != nil {
			continue // the device is down
		}
	}
}
