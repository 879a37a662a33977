//go:build linux

package natlab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peermesh/peermesh/internal/hostile"
	"github.com/peermesh/peermesh/node"
)

// upgrade is a request for a link.
const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: " + hostile.Subprotocol + "\r\n\r\n"

// firstMessage is one of a link handshake, in a frame of WebSocket with a mask of
// zeros: 32 random bytes.
func firstMessage() []byte {
	frame := make([]byte, 6+32)
	frame[0], frame[1] = 0x82, 0x80|32
	_, _ = rand.Read(frame[6:]) // never fails, see crypto/rand
	return frame
}

// dialFrom connects from one of this host's addresses.
func dialFrom(from, to string) (net.Conn, error) {
	addr, err := netip.ParseAddr(from)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)), Timeout: patience}
	return d.Dial("tcp4", to)
}

// halfOpenRole keeps as many connections as its second argument says to the address
// of its first, from the addresses of the others in turn. Half of them say nothing,
// half send half of an upgrade. Those that the node closes come again a second
// later. It prints "open" when all have been open, and for each line of input how
// many are.
func halfOpenRole() error {
	to, sources := os.Args[1], os.Args[3:]
	most, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	var opened sync.WaitGroup
	var open atomic.Int64
	opened.Add(most)
	for i := range most {
		go func() {
			first := true
			for {
				c, err := dialFrom(sources[i%len(sources)], to)
				if err == nil {
					open.Add(1)
					if i%2 == 1 {
						_, _ = io.WriteString(c, upgrade[:len(upgrade)/2])
					}
					if first {
						opened.Done()
						first = false
					}
					_, _ = io.Copy(io.Discard, c) // until the node closes it
					c.Close()
					open.Add(-1)
				}
				time.Sleep(time.Second)
			}
		}()
	}
	opened.Wait()
	fmt.Println("open")
	return eachLine(func(string) { fmt.Println(open.Load()) })
}

// floodRole connects as often a second as its second argument says to the address of
// its first, from its third, and sends on each connection an upgrade, and the first
// message of a handshake behind it if its fourth is "handshake". It ends each when
// something came back beside the upgrade's answer, or after a second. For each line of
// input it prints how many connections it made, and how many were answered.
func floodRole() error {
	to, from, shakes := os.Args[1], os.Args[3], os.Args[4] == "handshake"
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	var made, answered atomic.Int64
	one := func() {
		c, err := dialFrom(from, to)
		if err != nil {
			return
		}
		defer c.Close()
		made.Add(1)
		request := []byte(upgrade)
		if shakes {
			request = append(request, firstMessage()...)
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(request); err != nil {
			return
		}
		buf := make([]byte, 2_048)
		for got := 0; got < len(buf); {
			n, err := c.Read(buf[got:])
			if got += n; err != nil {
				return
			}
			if _, rest, whole := strings.Cut(string(buf[:got]), "\r\n\r\n"); whole && len(rest) > 0 {
				answered.Add(1)
				return
			}
		}
	}
	go func() {
		const every = 10 * time.Millisecond
		slots := make(chan struct{}, 2*rate) // of two seconds: who is slower is no flood
		for range time.Tick(every) {
			for range rate / int(time.Second/every) {
				select {
				case slots <- struct{}{}:
					go func() {
						defer func() { <-slots }()
						one()
					}()
				default:
				}
			}
		}
	}()
	fmt.Println("ready")
	return eachLine(func(string) { fmt.Println(made.Load(), answered.Load()) })
}

// joinsRole joins by the URL of its first argument, as often as its second says, each
// time as a new leaf, a quarter of a second after the one before, and prints how long
// each took in milliseconds.
func joinsRole() error {
	times, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	for pause := time.NewTicker(250 * time.Millisecond); times > 0; times-- {
		took, err := joinOnce(os.Args[1])
		if err != nil {
			return err
		}
		fmt.Println(took.Milliseconds())
		<-pause.C
	}
	return nil
}

func joinOnce(url string) (time.Duration, error) {
	ctx, cancel := bounded()
	defer cancel()
	began := time.Now()
	n, err := node.New(node.Config{Bootstrap: []string{url}, Leaf: true, WebRTC: node.WebRTCOff})
	if err != nil {
		return 0, err
	}
	n.Handle(node.HandlerFunc(func(context.Context, *node.Message) {}))
	err = n.Ready(ctx)
	took := time.Since(began)
	return took, errors.Join(err, n.Close())
}
