//go:build linux && !nowebrtc

package browsertest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// encounter is a handshake between the page and this end. As made by
// newEncounter it goes well.
type encounter struct {
	local   *link.Local
	peer    wire.ID      // who is expected at the page
	session wire.Session // at this end
	carrier func(pair) link.Carrier
	page    args
}

// seed is the key of the page.
var seed = [32]byte(bytes.Repeat([]byte{7}, 32))

func newEncounter() *encounter {
	self := identity.FromSeed([32]byte(bytes.Repeat([]byte{8}, 32)))
	session := wire.Session{1, 2, 3}
	id := self.ID()
	contact := self.Sign(wire.RecordContact, uint64(time.Now().UnixMilli()), 3600,
		wire.AppendContact(nil, &wire.Contact{Role: wire.RoleRelay, URLs: []string{"ws://192.0.2.1:8080"}}))
	return &encounter{
		local: &link.Local{
			ID: id, Prove: self.Prove,
			Hello: wire.Hello{Version: link.Version, Instance: wire.Instance{9}, Contact: contact, Agent: "a node", Network: "lab"},
		},
		peer:    identity.FromSeed(seed).ID(),
		session: session,
		carrier: func(c pair) link.Carrier { return c.Conn },
		page: args{
			"seed": hex.EncodeToString(seed[:]), "peer": hex.EncodeToString(id[:]),
			"session": hex.EncodeToString(session[:]), "instance": "0102030405060708",
			"network": "lab", "agent": "a page", "dial": 3,
		},
	}
}

// met is what the page learns of this end.
type met struct {
	Agent    string   `json:"agent"`
	Instance string   `json:"instance"`
	Dial     uint32   `json:"dial"`
	URLs     []string `json:"urls"`
}

// meet runs both ends. Each speaks before it listens, so neither waits for one
// that has refused it.
func (e *encounter) meet(p *page, c pair, outbound bool) (here *link.Remote, hereErr error, there met, thereErr error) {
	e.page["n"] = c.n
	wait := p.begin("meet", e.page)
	defer c.endIfLate()()
	here, hereErr = link.Meet(e.carrier(c), e.local, e.peer, e.session, outbound, 5, time.Now())
	thereErr = wait(&there)
	return here, hereErr, there, thereErr
}

// The page proves itself with WebCrypto, and checks the proof of this end.
func testMeet(t *testing.T, p *page) {
	for i, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			e := newEncounter()
			outbound := i == 1
			if outbound {
				e.page["dial"] = 0
			}
			here, err, there, thereErr := e.meet(p, d.connect(t, p, newEndpoint(t, ""), everywhere), outbound)
			if err != nil || thereErr != nil {
				t.Fatalf("got %v here and %v at the page", err, thereErr)
			}
			if here.ID != e.peer || here.Hello.Agent != "a page" || here.Hello.Instance != (wire.Instance{1, 2, 3, 4, 5, 6, 7, 8}) ||
				here.Contact.Role != wire.RoleLeaf || !here.Contact.WebRTC || len(here.Contact.URLs) != 0 {
				t.Errorf("got %x, %+v, %+v of the page", here.ID, here.Hello, here.Contact)
			}
			wantHere, wantThere := uint32(3), uint32(0)
			if outbound {
				wantHere, wantThere = 0, 5
			}
			if here.Hello.Dial != wantHere || there.Dial != wantThere {
				t.Errorf("got dials %d here and %d at the page, want %d and %d", here.Hello.Dial, there.Dial, wantHere, wantThere)
			}
			if there.Agent != "a node" || there.Instance != "0900000000000000" || len(there.URLs) != 1 {
				t.Errorf("the page got %+v", there)
			}
		})
	}
}

// rewritten is a carrier whose other end is not who it seems: what a node sees
// when somebody in the middle has a connection with each end.
type rewritten struct {
	link.Carrier
	binding []byte
}

func (r rewritten) Binding() []byte { return r.binding }

func testMeetRefusals(t *testing.T, p *page) {
	stranger := identity.FromSeed([32]byte{1}).ID()
	for _, test := range []struct {
		name   string
		change func(*encounter)
		here   reason.Reason // None: this end is told nothing but the truth
		page   string        // part of its error
	}{
		{"a man in the middle", func(e *encounter) {
			e.carrier = func(c pair) link.Carrier {
				binding := bytes.Clone(c.Binding())
				binding[40] ^= 1
				return rewritten{c.Conn, binding}
			}
		}, reason.BadCertificate, "does not verify"},
		{"of another session", func(e *encounter) { e.session[0]++ }, reason.BadCertificate, "does not verify"},
		{"somebody else at the page", func(e *encounter) { e.peer = stranger }, reason.WrongID, "does not verify"},
		{"somebody else here", func(e *encounter) { e.page["peer"] = hex.EncodeToString(stranger[:]) }, reason.BadCertificate, "another ID"},
		{"another network", func(e *encounter) { e.page["network"] = "" }, reason.WrongNetwork, "network"},
		{"another version", func(e *encounter) { e.local.Hello.Version = wire.ProtocolVersion + 1 }, reason.None, fmt.Sprintf("version %d", wire.ProtocolVersion+1)},
		{"no proof", func(e *encounter) { e.local.Prove = func(identity.Claim) []byte { return nil } }, reason.None, "no proof"},
		{"a contact of long ago", func(e *encounter) {
			self := identity.FromSeed([32]byte(bytes.Repeat([]byte{8}, 32)))
			e.local.Hello.Contact = self.Sign(wire.RecordContact, 1_750_000_000_000, 60, wire.AppendContact(nil, &wire.Contact{Role: wire.RoleLeaf}))
		}, reason.None, "too old"},
		{"no contact", func(e *encounter) { e.local.Hello.Contact = nil }, reason.None, "no contact"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEncounter()
			test.change(e)
			_, err, _, pageErr := e.meet(p, pageOffers(t, p, newEndpoint(t, ""), everywhere), false)
			var refused *link.HandshakeError
			if test.here == reason.None && err != nil || test.here != reason.None && (!errors.As(err, &refused) || refused.Reason != test.here) {
				t.Errorf("got %v, want %v", err, test.here)
			}
			if pageErr == nil || !strings.Contains(pageErr.Error(), test.page) {
				t.Errorf("the page: got %v, want one with %q", pageErr, test.page)
			}
		})
	}
}
