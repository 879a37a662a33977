package dgram_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/peermesh/peermesh/dgram"
)

// connected is a PacketConn with one address to talk to, as package net makes one
// of a UDP socket: what comes from others is left out.
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

func TestDNSOverTwoRelays(t *testing.T) {
	a, c := apart(t)
	started := make(chan struct{})
	server := &dns.Server{PacketConn: c, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(answer)}
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		if err := server.ActivateAndServe(); err != nil {
			t.Errorf("the server ended with %v, want nil after its Shutdown", err)
		}
	})
	<-started
	defer server.Shutdown()

	client := &dns.Client{Timeout: 20 * time.Second, UDPSize: 4_096}
	for _, name := range []string{"one.example.", "two.example."} {
		question := new(dns.Msg).SetQuestion(name, dns.TypeTXT).SetEdns0(4_096, false)
		got, _, err := client.ExchangeWithConn(question, &dns.Conn{Conn: connected{a, c.LocalAddr()}, UDPSize: 4_096})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Answer) != 40 || got.Answer[39].Header().Name != name {
			t.Errorf("%s: got %v, want 40 records of that name", name, got)
		}
	}
}

// answer answers with more than a link of Ethernet would carry in one piece.
func answer(w dns.ResponseWriter, question *dns.Msg) {
	m := new(dns.Msg).SetReply(question)
	for range 40 {
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
			Txt: []string{"a record of some length, so that all of them take more than 1,500 bytes"},
		})
	}
	_ = w.WriteMsg(m) // an error: the port is closed
}
