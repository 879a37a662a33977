package node

import (
	"errors"
	"testing"
	"time"

	"github.com/peermesh/peermesh/internal/reason"
)

func TestAskDial(t *testing.T) {
	home := relayOn(t, Config{})
	other := relayOn(t, Config{Bootstrap: home.URLs()})
	awaitPeer(t, other, home.ID())
	awaitPeer(t, home, other.ID())

	asker := leafOf(t, home, onPort)
	if err := asker.AskDial(within(t, amply), other.ID()); err != nil {
		t.Fatal(err)
	}
	for _, p := range asker.Peers() {
		if p.ID == other.ID() && p.Outbound {
			t.Error("the link: got one that the asker dialled, want one of the node asked")
		}
	}
	if !linkedTo(asker, other.ID()) {
		t.Error("got no link")
	}
	wantAskError(t, asker.AskDial(within(t, time.Second), other.ID()), errLinkedAlready)
	wantAskError(t, asker.AskDial(within(t, time.Second), asker.ID()), ErrRefused)
	wantAskError(t, leafOf(t, home, Config{}).AskDial(within(t, time.Second), other.ID()), errNoURLs)

	// URLs of another node: the node asked meets that one.
	foreign := leafOf(t, home, Config{PublicURLs: relayOn(t, Config{}).URLs()})
	wantAskError(t, foreign.AskDial(within(t, 10*time.Second), other.ID()), reason.WrongID)

	// A port that nobody serves: what the node would tell leads nowhere.
	lost := leafOf(t, home, Config{PublicURLs: []string{"ws://127.0.0.1:1"}})
	wantAskError(t, lost.AskDial(within(t, amply), other.ID()), ErrRefused)
}

func wantAskError(t *testing.T, err, want error) {
	t.Helper()
	var c *ConnectError
	if !errors.As(err, &c) || c.Stage != ConnectNegotiate || !errors.Is(err, want) {
		t.Errorf("got %v, want a ConnectError of %v", err, want)
	}
}
