//go:build !nowebrtc

package webrtc_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/ice/v4"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/transport/webrtc"
)

// attacker is a peer that offers and then writes what it likes into the encrypted
// channel, by a handshake of SCTP of its own making.
type attacker struct {
	*dtls.Conn
	agent  *ice.Agent
	cert   tls.Certificate
	tag    uint32 // of the other end
	cookie []byte // that it gave

	controls byte // messages of the channel's own protocol written
}

func newAttacker(t *testing.T) *attacker {
	t.Helper()
	agent, err := ice.NewAgentWithOptions(
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}), ice.WithIncludeLoopback(),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	return &attacker{agent: agent, cert: cert}
}

// offer is one without sctp-init, of an end that is the server of DTLS.
func (a *attacker) offer(t *testing.T) string {
	t.Helper()
	var lines strings.Builder
	gathered := make(chan struct{})
	err := a.agent.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(gathered)
			return
		}
		lines.WriteString("a=candidate:" + c.Marshal() + "\r\n")
	})
	if err == nil {
		err = a.agent.GatherCandidates()
	}
	if err != nil {
		t.Fatal(err)
	}
	<-gathered
	user, password, err := a.agent.GetLocalUserCredentials()
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(a.cert.Certificate[0])), " ", ":")
	return "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" + lines.String() +
		"a=ice-ufrag:" + user + "\r\na=ice-pwd:" + password + "\r\na=fingerprint:sha-256 " + sum +
		"\r\na=setup:passive\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
}

// connect encrypts the way to the end that answered.
func (a *attacker) connect(t *testing.T, answer string) {
	t.Helper()
	var user, password string
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "a=ice-ufrag":
			user = value
		case "a=ice-pwd":
			password = value
		case "a=candidate":
			if c, err := ice.UnmarshalCandidate(value); err == nil {
				_ = a.agent.AddRemoteCandidate(c)
			}
		}
	}
	way, err := a.agent.Dial(soon(t), user, password)
	if err != nil {
		t.Fatal(err)
	}
	a.Conn, err = dtls.ServerWithOptions(dtlsnet.PacketConnFromConn(way), way.RemoteAddr(),
		dtls.WithCertificates(a.cert), dtls.WithInsecureSkipVerify(true), dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
	)
	if err == nil {
		err = a.HandshakeContext(soon(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
}

// Chunks of SCTP (RFC 9260, section 3.2).
const (
	chunkData       = 0
	chunkInit       = 1
	chunkInitAck    = 2
	chunkCookieEcho = 10
	chunkCookieAck  = 11
)

func chunk(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 0}, uint16(4+len(body))), body...)
}

// send writes one packet of SCTP.
func (a *attacker) send(t *testing.T, chunks []byte) {
	t.Helper()
	p := binary.BigEndian.AppendUint32([]byte{0x13, 0x88, 0x13, 0x88}, a.tag) // from port 5000 to the same
	p = append(append(p, 0, 0, 0, 0), chunks...)
	p = append(p, make([]byte, -len(p)&3)...)
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := a.Write(p); err != nil {
		t.Fatal(err)
	}
}

// await reads until a packet begins with a chunk of a kind, and returns its body.
func (a *attacker) await(t *testing.T, kind byte) []byte {
	t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, err := a.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n >= 16 && buf[12] == kind {
			return bytes.Clone(buf[16:n])
		}
	}
}

// shake begins an association, and keeps the other end's cookie.
func (a *attacker) shake(t *testing.T) {
	t.Helper()
	init := []byte{1, 2, 3, 4, 0, 16, 0, 0, 255, 255, 255, 255, 0, 0, 3, 232} // tag, window, streams out and in, first number
	a.send(t, chunk(chunkInit, init))
	ack := a.await(t, chunkInitAck)
	a.tag = binary.BigEndian.Uint32(ack)
	for list := ack[16:]; len(list) >= 4; {
		length := int(binary.BigEndian.Uint16(list[2:]))
		if binary.BigEndian.Uint16(list) == 7 { // state cookie
			a.cookie = list[4:length]
		}
		list = list[min(len(list), (length+3)&^3):]
	}
	a.send(t, chunk(chunkCookieEcho, a.cookie))
	a.await(t, chunkCookieAck)
}

// A peer that says its part of SCTP's handshake once more while this end leaves locks
// up the library (pion/sctp 1.11.1 to 1.12.1): the end is done with all the same. The
// library's goroutines are held where it happens.
func TestCookieAfterTheEnd(t *testing.T) {
	udp, log := &held{PacketConn: listen(t, "127.0.0.1:0"), writer: newGate()}, newOrder()
	e := endpoint(t, webrtc.Config{UDP: udp, Logger: slog.New(log)})
	peer := newAttacker(t)
	a, err := e.Answer(soon(t), local, peer.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	peer.connect(t, a.Description())
	peer.shake(t)
	c := open(t, a)
	udp.hold.Store(true)
	peer.send(t, chunk(chunkCookieEcho, peer.cookie))
	<-udp.writer.reached // it is about to acknowledge that
	log.hold.Store(true)
	peer.send(t, append(chunk(chunkCookieAck, nil), chunk(chunkCookieEcho, peer.cookie)...))
	<-log.reader.reached // it is between the two
	close(udp.writer.open)
	<-log.written
	close(log.reader.open)
	_ = c.Close()
	if log.stuck.Load() {
		t.Error("the end is stuck in the library")
	}
	if !log.cookie.Load() {
		t.Error("the library has met no cookie after the end")
	}
}

// data writes a piece of a message of one kind (PPID) on channel 0, the i-th that
// is written.
func (a *attacker) data(t *testing.T, i int, flags, kind byte, piece []byte) {
	t.Helper()
	var head [12]byte // number, stream 0, message, kind
	binary.BigEndian.PutUint32(head[:], 1_000+uint32(i))
	head[7], head[11] = a.controls, kind // the binary message comes behind them
	if kind == ppidControl {
		a.controls++
	}
	part := chunk(chunkData, append(head[:], piece...))
	part[1] = flags
	a.send(t, part)
}

// Kinds of messages of a data channel (RFC 8831, section 8), and flags of a chunk.
const (
	ppidControl = 50
	ppidBinary  = 53

	chunkEnds   = 1
	chunkBegins = 2
)

// endless writes a message that has no end: more than a peer may send that has not
// proved itself. Before it are so many pieces.
func (a *attacker) endless(t *testing.T, before int) {
	t.Helper()
	const piece = 1_000
	for i := range limits.UnprovenBytes/piece + 1 {
		flags := byte(0)
		if i == 0 {
			flags = chunkBegins
		}
		a.data(t, before+i, flags, ppidBinary, make([]byte, piece))
	}
}

// A message that has no end is not held for as long as a Hello may take, also behind
// whole messages of the channel's own protocol, which say nothing of who sends them.
func TestEndlessMessage(t *testing.T) {
	for name, control := range map[string][][]byte{
		"alone":                  nil,
		"behind an ack":          {{2}},
		"behind what is none":    {{0xff}},
		"behind several of them": {{2}, {2}, {3, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			e := endpoint(t, webrtc.Config{})
			peer := newAttacker(t)
			a, err := e.Answer(soon(t), local, peer.offer(t))
			if err != nil {
				t.Fatal(err)
			}
			peer.connect(t, a.Description())
			peer.shake(t)
			c := open(t, a)
			for i, msg := range control {
				peer.data(t, i, chunkBegins|chunkEnds, ppidControl, msg)
			}
			peer.endless(t, len(control))
			received := make(chan error, 1)
			go func() {
				_, err := c.Receive(func() []byte { return make([]byte, limits.PreAuthBytes+1) })
				received <- err
			}()
			select {
			case err := <-received:
				if err == nil || errors.Is(err, io.EOF) {
					t.Fatalf("got %v, want an error of its own", err)
				}
			case <-soon(t).Done():
				t.Fatal("the message is still waited for")
			}
		})
	}
}
