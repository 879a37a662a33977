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

type wayCount struct{ Packets, Bytes, Dropped, Lost int }

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

	mu      sync.Mutex
	s       shaping
	free    time.Time   // when the sender has sent all that waits
	leaving []time.Time // of what waits
	carried wayCount
}

type packet struct {
	data []byte
	at   time.Time
}

// farAway is how many packets may be on their way behind the queue.
const farAway = 1 << 16

func newWay(from, to *os.File) *way {
	return &way{from: from, to: to, due: make(chan packet, farAway), s: shaping{Rate: 1e9, Packets: 1000}}
}

func (w *way) shape(s shaping) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.s = s
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
		if at, ok := w.pass(n, time.Now()); ok {
			w.due <- packet{append([]byte(nil), buf[:n]...), at}
		}
	}
}

// pass says when a packet arrives that comes now; false: it does not.
func (w *way) pass(bytes int, now time.Time) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.leaving) > 0 && !w.leaving[0].After(now) {
		w.leaving = w.leaving[1:]
	}
	if len(w.leaving) >= w.s.Packets {
		w.carried.Dropped++
		return time.Time{}, false
	}
	if w.free.Before(now) {
		w.free = now
	}
	w.free = w.free.Add(time.Duration(float64(bytes) * 8 / w.s.Rate * float64(time.Second)))
	w.leaving = append(w.leaving, w.free)
	w.carried.Packets++
	w.carried.Bytes += bytes
	if rand.Float64() < w.s.Loss {
		w.carried.Lost++
		return time.Time{}, false
	}
	return w.free.Add(w.s.Delay), true
}

func (w *way) write() {
	for p := range w.due {
		time.Sleep(time.Until(p.at))
		if _, err := w.to.Write(p.data); err != nil {
			continue // the device is down
		}
	}
}
