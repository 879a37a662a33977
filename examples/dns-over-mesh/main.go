// Command dns-over-mesh asks a server of miekg/dns, a library for UDP, that is
// reached by an ID: no address of any machine is asked for or told.
//
//	go run ./examples/dns-over-mesh
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/miekg/dns"

	"github.com/peermesh/peermesh/dgram"
	"github.com/peermesh/peermesh/node"
)

func main() {
	alice, err := dgram.ListenConfig(node.Config{Listen: "127.0.0.1:0"}, 53)
	check(err)
	defer alice.Close()
	server := &dns.Server{PacketConn: alice, Handler: dns.HandlerFunc(answer)}
	go server.ActivateAndServe() // ends with the conn

	bob, err := dgram.ListenConfig(node.Config{Bootstrap: alice.Node().URLs()}, 0)
	check(err)
	defer bob.Close()
	check(bob.Node().Ready(context.Background()))
	question := new(dns.Msg).SetQuestion("greeting.mesh.", dns.TypeTXT)
	reply, _, err := new(dns.Client).ExchangeWithConn(question, &dns.Conn{Conn: connected{bob, alice.LocalAddr()}})
	check(err)
	fmt.Println("bob is told", reply.Answer[0].(*dns.TXT).Txt)
}

// answer answers every question alike. The remote address is who asks: an ID and a
// port, which the mesh has proven.
func answer(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg).SetReply(question)
	header := dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}
	reply.Answer = []dns.RR{&dns.TXT{Hdr: header, Txt: []string{"hello over " + w.RemoteAddr().Network()}}}
	_ = w.WriteMsg(reply) // an error: the conn is closed
}

// connected is a port with one address to talk to, as net.Dial makes one of a UDP
// socket: what comes from others is left out.
type connected struct {
	*dgram.PacketConn
	to net.Addr
}

func (c connected) RemoteAddr() net.Addr { return c.to }

func (c connected) Write(b []byte) (int, error) { return c.WriteTo(b, c.to) }

func (c connected) Read(b []byte) (int, error) {
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || from == c.to {
			return n, err
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
