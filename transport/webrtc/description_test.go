//go:build !nowebrtc

package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/transport/v4/stdnet"
	pion "github.com/pion/webrtc/v4"

	"github.com/peermesh/peermesh/internal/limits"
)

// offered is the offer of a data channel, as Chromium 140 makes it.
const offered = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" +
	"a=candidate:1 1 udp 2113937151 10.0.0.1 50000 typ host generation 0 network-cost 999\r\n" +
	"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\n" +
	"a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"

func manyCandidates(n int) string {
	return offered + strings.Repeat("a=candidate:1 1 udp 1 10.0.0.1 5 typ host\r\n", n)
}

func TestParseDescription(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(offered, old, new, 1) }
	for _, c := range []struct {
		name, text string
		refused    bool
		candidates int
	}{
		{"of Chromium", offered, false, 1},
		{"end of candidates", offered + "a=end-of-candidates\r\n", false, 1},
		{"without candidates", replace("a=candidate:", "a=x-candidate:"), false, 0},
		{"as many candidates as may be", manyCandidates(limits.Candidates - 1), false, limits.Candidates},
		{"too many candidates", manyCandidates(limits.Candidates), true, 0},
		{"candidates of the session", replace("t=0 0\r\n", "t=0 0\r\n"+strings.Repeat("a=candidate:1 1 udp 1 10.0.0.1 5 typ host\r\n", limits.Candidates)), true, 0},
		{"too long", offered + "a=x:" + strings.Repeat("y", limits.SDPBytes) + "\r\n", true, 0},
		{"nothing", "", true, 0},
		{"no text of this kind", "hello", true, 0},
		{"cut off", offered[:40], true, 0},
		{"audio", replace("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 UDP/TLS/RTP/SAVPF 0"), true, 0},
		{"audio beside", offered + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n", true, 0},
		{"two", offered + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n", true, 0},
		{"none", offered[:strings.Index(offered, "m=")], true, 0},
		{"messages of any size", replace("size:262144", "size:0"), false, 1},
		{"messages of no size told", replace("a=max-message-size:262144\r\n", ""), false, 1},
		{"messages too short", replace("size:262144", "size:16384"), true, 0},
		{"messages of nonsense", replace("size:262144", "size:big"), true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := parseDescription(c.text)
			if (err != nil) != c.refused || err != nil && !errors.Is(err, ErrDescription) {
				t.Fatalf("got %v, want refused: %v", err, c.refused)
			}
			if len(d.candidates) != c.candidates || strings.Contains(d.text, "a=candidate") {
				t.Fatalf("got %d candidates and %q, want %d apart", len(d.candidates), d.text, c.candidates)
			}
		})
	}
}

func FuzzDescription(f *testing.F) {
	f.Add(offered)
	f.Add(manyCandidates(limits.Candidates))
	f.Add(offered + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDescription(text)
		if err != nil {
			if !errors.Is(err, ErrDescription) {
				t.Fatalf("got %v, want an ErrDescription", err)
			}
			return
		}
		if len(d.candidates) > limits.Candidates {
			t.Fatalf("got %d candidates", len(d.candidates))
		}
		again, err := parseDescription(d.text)
		if err != nil || len(again.candidates) > 0 {
			t.Fatalf("what was taken apart is read as %v, %v", again, err)
		}
	})
}

// What is wrong is said by its name, and without the password.
func TestWrongServers(t *testing.T) {
	for text, says := range map[string]string{
		"turn://me:secret@relay.example.org":                 "turn: has no // behind it",
		"stun://stun.example.org":                            "stun: has no // behind it",
		"turn:1796099645:alice:secret@relay.example.org":     "%3A",
		"turn:me:sec%zzret@relay.example.org":                "%25",
		"turn:me:secret%0A@relay.example.org":                "control character",
		"turn:me:secret@relay.example.org?transport=sctp":    "?transport=tcp",
		"turns:me:secret@relay.example.org?transport=udp":    "over TLS alone",
		"turn:me:secret@relay.example.org?transport=udp&x=1": "?transport=udp",
		"turn:me:secret@":                                    "host",
		"turn:me:secret@relay.example.org:0":                 "port",
		"turn:me@relay.example.org":                          "a user and a password",
		"stuns:stun.example.org":                             "no kind of ICE server",
	} {
		if _, err := ParseServer(text); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q in it and no password", text, err, says)
		}
	}
}

// FuzzRemote gives what passes to the library, up to its answer: no network.
func FuzzRemote(f *testing.F) {
	shaken := strings.Replace(offered, "a=sctp-port", "a=sctp-init:AQAAFAECAwQAEAAA//8AAAAA\r\na=sctp-port", 1)
	f.Add(offered)
	f.Add(shaken)
	f.Add(strings.Replace(shaken, "actpass", "passive", 1))
	f.Add(strings.Replace(shaken, "a=mid:0\r\n", "", 1))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	certificate, err := pion.GenerateCertificate(key)
	if err != nil {
		f.Fatal(err)
	}
	e := &Endpoint{config: Config{Logger: slog.New(slog.DiscardHandler), Net: machine{&stdnet.Net{}}}}
	engine := e.engine(Setup{})
	api := pion.NewAPI(pion.WithSettingEngine(engine), pion.WithMediaEngine(&pion.MediaEngine{}),
		pion.WithInterceptorRegistry(&interceptor.Registry{}))
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDescription(text)
		if err != nil {
			return
		}
		pc, err := api.NewPeerConnection(pion.Configuration{Certificates: []pion.Certificate{*certificate}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = pc.GracefulClose() }()
		a := &Attempt{endpoint: e, pc: pc, vetting: vetting{take: Setup{}.take}}
		if err := a.openChannel(); err != nil {
			t.Fatal(err)
		}
		if a.setRemote(pion.SDPTypeOffer, d) == nil {
			_, _ = pc.CreateAnswer(nil)
		}
	})
}

func TestParseServer(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"stun:stun.example.org:3478", "{false stun.example.org:3478   udp}"},
		{"STUN:stun.example.org", "{false stun.example.org:3478   udp}"},
		{"stun:192.0.2.1:19302", "{false 192.0.2.1:19302   udp}"},
		{"stun:[2001:db8::1]:5", "{false [2001:db8::1]:5   udp}"},
		{"stun:[2001:db8::1]", "{false [2001:db8::1]:3478   udp}"},
		{"turn:me:secret@relay.example.org:3478", "{true relay.example.org:3478 me secret udp}"},
		{"turn:me:se:cr@et@relay.example.org?transport=udp", "{true relay.example.org:3478 me se:cr@et udp}"},
		{"turn:1796099645%3Aalice:c2Vj+cmV0/A=@relay.example.org?transport=tcp", "{true relay.example.org:3478 1796099645:alice c2Vj+cmV0/A= tcp}"},
		{"turn:me%40home:100%25%3A%2F@192.0.2.1:80", "{true 192.0.2.1:80 me@home 100%:/ udp}"},
		{"turn:me@home:secret@relay.example.org", "{true relay.example.org:3478 me@home secret udp}"},
		{"turns:me:secret@relay.example.org", "{true relay.example.org:5349 me secret tls}"},
		{"turns:me:secret@[2001:db8::1]:443?transport=tcp", "{true [2001:db8::1]:443 me secret tls}"},
		{"turn:relay.example.org:3478", ""},
		{"turn:me@relay.example.org:3478", ""},
		{"stun:me:secret@stun.example.org:3478", ""},
		{"stun://stun.example.org:3478", ""},
		{"stun:stun.example.org:0", ""},
		{"stun:stun.example.org:65536", ""},
		{"stun:stun.exa/mple.org", ""},
		{"stun:", ""},
		{"http://example.org", ""},
		{"", ""},
	} {
		s, err := ParseServer(c.text)
		if (err == nil) != (c.want != "") || err == nil && fmt.Sprint(s) != c.want {
			t.Errorf("%q: got %v, %v, want %q", c.text, s, err, c.want)
		}
	}
}
