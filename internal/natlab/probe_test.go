//go:build linux

package natlab

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// socketRole is a UDP socket on the port of its argument, and a TCP listener on
// the same. A line "udp ADDR TEXT" on standard input sends TEXT; "tcp ADDR"
// connects. On standard output it prints "ready", then "FROM TEXT" for each
// datagram and "connected" for each TCP connection that it made.
func socketRole() error {
	udp, err := net.ListenPacket("udp4", ":"+os.Args[1])
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp4", ":"+os.Args[1])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go printDatagrams(udp)
	go accept(tcp)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := obey(udp, strings.SplitN(in.Text(), " ", 3)); err != nil {
			return err
		}
	}
	return in.Err()
}

func obey(udp net.PacketConn, words []string) error {
	if words[0] == "tcp" {
		c, err := net.DialTimeout("tcp4", words[1], patience)
		if err != nil {
			return err
		}
		fmt.Println("connected")
		return c.Close()
	}
	to, err := net.ResolveUDPAddr("udp4", words[1])
	if err != nil {
		return err
	}
	_, err = udp.WriteTo([]byte(words[2]), to)
	return err
}

func printDatagrams(udp net.PacketConn) {
	b := make([]byte, 1500)
	for {
		n, from, err := udp.ReadFrom(b)
		if err != nil {
			return
		}
		fmt.Println(from, string(b[:n]))
	}
}

func accept(tcp net.Listener) {
	for {
		c, err := tcp.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// socket is a process of that role.
type socket struct {
	*process
	own string // its address as its own host knows it
}

// socket opens one on a port of p.
func (p place) socket(t *testing.T, port uint16) socket {
	t.Helper()
	s := socket{p.play(t, "socket", fmt.Sprint(port)), p.at(port)}
	if got := s.next(t); got != "ready" {
		t.Fatalf("socket: got %q, want ready", got)
	}
	return s
}

// to sends text to an address.
func (s socket) to(t *testing.T, addr, text string) {
	t.Helper()
	s.tell(t, "udp %s %s", addr, text)
}

// from returns the sender of the next datagram, which has to hold text.
func (s socket) from(t *testing.T, text string) string {
	t.Helper()
	from, got, _ := strings.Cut(s.next(t), " ")
	if got != text {
		t.Fatalf("%s: got %q from %s, want %q", s.name, got, from, text)
	}
	return from
}
