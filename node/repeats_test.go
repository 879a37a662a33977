package node

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/transport"
)

// eventsSoFar takes the events so far, which are the lines of the log and of the program.
func eventsSoFar(t *testing.T, events <-chan Event) []Event {
	t.Helper()
	synctest.Wait()
	var all []Event
	for len(events) > 0 {
		ev := <-events
		t.Log(ev.Time.Format(time.TimeOnly), ev.Kind, ev.URL, ev.Reason, ev.Count, ev.Sources, ev.Err)
		all = append(all, ev)
	}
	return all
}

func counted(all []Event, kind EventKind) (events int, times uint64) {
	for _, ev := range all {
		if ev.Kind == kind {
			events++
			times += max(ev.Count, 1)
		}
	}
	return events, times
}

func TestDeadBootstrapsAreALineEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		cfg := Config{}
		for i := range 24 {
			cfg.Bootstrap = append(cfg.Bootstrap, fmt.Sprintf("mem://dead%d", i))
		}
		n := m.start("a", cfg)
		events := watch(t, n)
		time.Sleep(time.Minute + 2*limits.IdleTick)
		all := eventsSoFar(t, events)
		if len(all) > 24+4 {
			t.Errorf("a minute with 24 dead URLs: got %d lines, want at most 28", len(all))
		}
		failed := n.Status().Dials.Failed
		if got, times := counted(all, Retry); got < 25 || times+100 < failed { // since the sum
			t.Errorf("got %d lines of %d tries, want one for each URL and a sum; %d dials failed", got, times, failed)
		}
		if sum := all[len(all)-1]; sum.Sources != 24 || sum.Count < 24 {
			t.Errorf("the last line: got %d times at %d URLs, want a sum of 24", sum.Count, sum.Sources)
		}
		time.Sleep(time.Hour)
		if got := len(eventsSoFar(t, events)); got > 7 {
			t.Errorf("the next hour: got %d lines, want at most 7", got)
		}
	})
}

func TestAnHourOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		var relays []*listening
		cfg := Config{}
		for i := range 3 {
			name := fmt.Sprintf("relay%d", i)
			relays = append(relays, m.listen(name, Config{Bootstrap: cfg.Bootstrap}))
			cfg.Bootstrap = append(cfg.Bootstrap, "mem://"+name)
		}
		n := m.listen("a", cfg)
		ready(t, n.Node)
		others := []*Node{m.start("c", Config{Bootstrap: []string{"mem://a"}}), m.start("d", Config{Bootstrap: []string{"mem://a"}})}
		ready(t, others...)
		time.Sleep(time.Minute)
		if got := len(n.Peers()); got != 5 {
			t.Fatalf("got %d links, want 5", got)
		}
		events := watch(t, n.Node)
		eventsSoFar(t, events)
		for _, r := range relays {
			r.stop()
		}
		for _, o := range others {
			o.Close()
		}
		time.Sleep(time.Hour)
		all := eventsSoFar(t, events)
		if len(all) > 20 {
			t.Errorf("an hour offline: got %d lines, want at most 20", len(all))
		}
		if got, _ := counted(all, PeerDown); got != 5 {
			t.Errorf("got %d links down, want 5", got)
		}
		if _, times := counted(all, Retry); times < 1000 {
			t.Errorf("got %d tries told, want all but the last of them", times)
		}
	})
}

// A link by a URL is a change of state, and so is the failure after it.
func TestALinkEndsTheRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		n := m.start("a", Config{Bootstrap: []string{"mem://b"}})
		events := watch(t, n)
		for range 3 {
			time.Sleep(10 * time.Second)
			b := m.listen("b", Config{})
			time.Sleep(10 * time.Second)
			b.stop()
		}
		time.Sleep(10 * time.Second)
		all := eventsSoFar(t, events)
		for _, kind := range []EventKind{PeerUp, PeerDown} {
			if got, _ := counted(all, kind); got != 3 {
				t.Errorf("%s: got %d lines, want 3", kind, got)
			}
		}
		if got, _ := counted(all, Retry); got < 4 || got > 6 {
			t.Errorf("retry: got %d lines, want one after each change, and a sum or two", got)
		}
	})
}

// refused is a handshake without the network key of the node that it is with.
func (m *mesh) refused(name string) {
	m.t.Helper()
	u, _ := url.Parse("mem://" + name)
	conn, err := m.net.Dialer("stranger").Dial(m.t.Context(), u)
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	id, _ := identity.New(rand.Reader)
	static, _ := identity.NewStatic(rand.Reader)
	if _, err := link.Dial(conn, &link.Local{ID: id.ID(), Static: static, Rand: rand.Reader}, wire.ID{}, 1, time.Now()); err == nil {
		m.t.Fatal("a stranger was taken in")
	}
}

// They go on dialling.
func TestStrangersWithAnotherKeyAreFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{NetworkKey: make([]byte, 32)})
		events := watch(t, b.Node)
		stop := time.Now().Add(10 * time.Minute)
		for time.Now().Before(stop) {
			for range 2 {
				m.refused("b")
			}
			time.Sleep(500 * time.Millisecond)
		}
		all := eventsSoFar(t, events)
		refused := b.Status().Drops["wrong-network"]
		if len(all) > 10 || refused < 2000 {
			t.Errorf("10 minutes of strangers with another key: got %d lines of %d refusals, want at most 10", len(all), refused)
		}
	})
}

// A relay that has no place for the node takes each of its links for a moment.
func TestAFullRelayIsAFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t}
		b := m.listen("b", Config{MaxPeers: 1})
		ready(t, m.start("first", Config{Bootstrap: []string{"mem://b"}}))
		a := m.start("second", Config{Bootstrap: []string{"mem://b"}})
		atB, atA := watch(t, b.Node), watch(t, a)
		time.Sleep(10 * time.Minute)
		if got := len(eventsSoFar(t, atB)); got > 10 {
			t.Errorf("10 minutes at a full relay: got %d lines there, want at most 10", got)
		}
		if got := len(eventsSoFar(t, atA)); got > 12 {
			t.Errorf("10 minutes at a full relay: got %d lines, want at most 12", got)
		}
		b.stop()
		time.Sleep(10 * time.Second)
		eventsSoFar(t, atA)
		m.listen("b", Config{})
		ready(t, a)
		if got, _ := counted(eventsSoFar(t, atA), PeerUp); got != 1 {
			t.Errorf("a place at last: got %d lines of the link, want 1", got)
		}
	})
}

func failing(kind EventKind, url, why string) Event {
	return Event{Kind: kind, URL: transport.URL(url), Reason: why}
}

// A change of the cause is news, unless it changes to and fro.
func TestAnotherCauseIsNews(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var r repeats
	telling := 0
	for i := range 3600 {
		why := "connect"
		if i%2 == 1 {
			why = "resolve"
		}
		if r.news(now, failing(Retry, "ws://a", why), "ws://a", why) {
			telling++
		}
		telling += len(r.sums(now))
		now = now.Add(time.Second)
	}
	if telling < 2+5 || telling > 16 {
		t.Errorf("an hour of two causes by turns: got %d lines, want a handful", telling)
	}
	var s repeats
	for i, why := range []string{"resolve", "connect", "handshake"} {
		if !s.news(now.Add(time.Duration(i)*time.Second), failing(Retry, "ws://a", why), "ws://a", why) {
			t.Errorf("%s: got nothing told, want a line", why)
		}
	}
	if s.news(now.Add(3*time.Second), failing(Retry, "ws://a", "handshake"), "ws://a", "handshake") {
		t.Error("the same once more: got a line, want none")
	}
}

// A trouble whose kind says it all, without a reason, is told the first time.
func TestATroubleWithoutAReasonIsNews(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var r repeats
	for i, want := range []bool{true, false} {
		if got := r.news(now, failing(NoHome, "", ""), "peer", ""); got != want {
			t.Errorf("time %d: got told %v, want %v", i+1, got, want)
		}
	}
}

// Strangers of any number of networks have a bounded memory and bounded lines.
func TestManyNetworksOfStrangers(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var r repeats
	telling, sum := 0, uint64(0)
	const strangers = 20 * limits.RepeatSources
	for i := range strangers {
		from := netip.AddrFrom4([4]byte{byte(i >> 8), byte(i), 1, 1}).String()
		if r.news(now, failing(Refused, "", "wrong-network"), from, "wrong-network") {
			telling++
		}
		for _, ev := range r.sums(now) {
			sum += ev.Count
			telling++
		}
		now = now.Add(10 * time.Millisecond)
	}
	if got := len(r.topics[topic{Refused, false}].from); got > limits.RepeatSources+1 {
		t.Errorf("got %d sources remembered, want at most %d", got, limits.RepeatSources+1)
	}
	if most := limits.RepeatBurst + 5; telling > most {
		t.Errorf("%d strangers: got %d lines, want at most %d", strangers, telling, most)
	}
	now = now.Add(2 * limits.RepeatPauseMax)
	for _, ev := range r.sums(now) {
		sum += ev.Count
	}
	if want := uint64(strangers - limits.RepeatBurst); sum < want-2 || sum > want {
		t.Errorf("got %d summed up, want %d", sum, want)
	}
	r.sums(now.Add(time.Minute))
	if got := len(r.topics[topic{Refused, false}].from); got != 0 {
		t.Errorf("two hours later: got %d sources remembered, want none", got)
	}
}
