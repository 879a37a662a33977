//go:build linux

package natlab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// lineMesh is a relay with its senders at one side of a line, and a receiver at the other.
type lineMesh struct {
	*cell
	*line
	far      place
	receiver *member
}

// newLineMesh lays a line between the relay and the receiver.
func newLineMesh(t *testing.T, s shaping) *lineMesh {
	t.Helper()
	m := &lineMesh{cell: newCell(t)}
	m.relay[0].runs(t, "--port", fmt.Sprint(relayPort), "--webrtc", "off")
	m.far = place{newSpace(t, "far"), netip.MustParseAddr(outer(40))}
	m.line = newLine(t, m.relay[0], m.far)
	m.shape(t, s)
	m.receiver = ready(t, m.far.play(t, "flow", m.farURL()))
	return m
}

// farURL is the relay's at the far side of the line.
func (m *lineMesh) farURL() string {
	return fmt.Sprintf("ws://%s:%d", lineAddress(m.relay[0]), relayPort)
}

// sender adds a sender beside the relay.
func (m *lineMesh) sender(t *testing.T, n int) *member {
	t.Helper()
	return m.senderBy(t, n, "ws://"+m.relay[0].at(relayPort))
}

// senderBy is sender that joins by a URL.
func (m *lineMesh) senderBy(t *testing.T, n int, url string) *member {
	t.Helper()
	return ready(t, m.onWAN(t, fmt.Sprint("s", n), outer(10+n)).play(t, "flow", url))
}

// sink takes bare TCP at the receiver's side.
type sink struct{ *process }

func (m *lineMesh) bareSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{m.far.play(t, "baresink", lineAddress(m.far)+":9")}
	s.next(t)
	return s
}

// taken is how many bytes have come.
func (s *sink) taken(t *testing.T) (n int) {
	t.Helper()
	s.tell(t, "")
	if text := s.next(t); json.Unmarshal([]byte(text), &n) != nil {
		t.Fatalf("%s: got %s, want a number", s.name, text)
	}
	return n
}

// sends begins a flow to the receiver.
func (m *lineMesh) sends(t *testing.T, s *member, f load) {
	t.Helper()
	f.To = m.receiver.id
	s.tellJSON(t, f)
}

// outcome waits for the end of a flow.
func (s *member) outcome(t *testing.T, longest time.Duration) (r flowResult) {
	t.Helper()
	if text := s.nextWithin(t, longest); json.Unmarshal([]byte(text), &r) != nil {
		t.Fatalf("%s: got %s, want the result of a flow", s.name, text)
	}
	return r
}

func (r flowResult) String() string {
	return fmt.Sprintf("%d of %d delivered, %d undelivered, %d unknown, p50 %v, p99 %v, the last after %v %s",
		r.Delivered, r.Sent, r.Undelivered, r.Unknown, r.P50.Round(time.Millisecond), r.P99.Round(time.Millisecond), r.Took.Round(time.Millisecond), r.Cause)
}

// joined is a first message, which makes the session: no part of what is measured.
func (m *lineMesh) joined(t *testing.T, s *member) {
	t.Helper()
	m.sends(t, s, load{Size: 1, Count: 1, For: time.Second, Each: patience})
	if r := s.outcome(t, 2*patience); r.Delivered != 1 {
		t.Fatalf("first message: %v", r)
	}
}

// share is which part of a line's rate so many bytes took.
func (s *shaping) share(bytes int, during time.Duration) float64 {
	return float64(bytes) * 8 / s.Rate / during.Seconds()
}

// offered is how many messages of a size come to a multiple of the line's rate.
func (s *shaping) offered(times float64, size int, during time.Duration) int {
	return int(times * s.Rate / 8 * during.Seconds() / float64(size))
}

// lasting is how long a row's flows last: the whole of it only where asked for.
func lasting(short, whole time.Duration) time.Duration {
	if *long {
		return whole
	}
	return short
}

// TestBurstOnASlowLine: what is offered at more than twice the rate of an uplink arrives
// all the same, and next to nothing is sent twice.
func TestBurstOnASlowLine(t *testing.T) {
	t.Parallel()
	m := newLineMesh(t, megabit)
	s := m.sender(t, 1)
	m.joined(t, s)
	before := m.count(t)
	const size, count = 4096, 300
	m.sends(t, s, load{Size: size, Count: count, For: 4 * time.Second, Each: 30 * time.Second})
	r := s.outcome(t, 2*patience)
	wire := float64(m.count(t)[0].Bytes-before[0].Bytes) / float64(r.Delivered*size)
	goodput := megabit.share(r.Delivered*size, r.Took)
	t.Logf("%v; %.2f bytes on the line for each delivered; %.0f %% of the line", r, wire, 100*goodput)
	if r.Delivered != count || wire > 1.2 || goodput < 0.6 {
		t.Errorf("got %d of %d, %.2f bytes for each and %.2f of the line, want all, at most 1.2, and 0.6 at least", r.Delivered, count, wire, goodput)
	}
}

// TestOverloadOnASlowLine: of half as much again as an uplink can do, it does what it can
// in time, and nothing is sent in vain.
func TestOverloadOnASlowLine(t *testing.T) {
	t.Parallel()
	m := newLineMesh(t, megabit)
	s := m.sender(t, 1)
	m.joined(t, s)
	const size = 4096
	during := lasting(20*time.Second, time.Minute)
	m.sends(t, s, load{Size: size, Count: megabit.offered(1.5, size, during), For: during, Each: 5 * time.Second})
	r := s.outcome(t, during+patience)
	goodput := megabit.share(r.Delivered*size, max(during, r.Took))
	t.Logf("%v; %.0f %% of the line", r, 100*goodput)
	if goodput < 0.6 || r.Unknown > r.Sent/50 || r.P50 > 2*time.Second {
		t.Errorf("got %.2f of the line, %d of %d unknown and p50 %v, want 0.6 at least, next to none, and 2 s at most", goodput, r.Unknown, r.Sent, r.P50)
	}
	m.sends(t, s, load{Size: size, Count: 20, For: 4 * time.Second, Each: 5 * time.Second})
	after := s.outcome(t, patience)
	t.Logf("after it: %v", after)
	if after.Delivered != after.Sent {
		t.Errorf("after the overload: got %d of %d, want all", after.Delivered, after.Sent)
	}
}

// TestLightFlowBesideAFlood: a light flow's messages do not wait behind those of a flood
// of another sender.
func TestLightFlowBesideAFlood(t *testing.T) {
	t.Parallel()
	for _, size := range []int{8000, 60000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			m := newLineMesh(t, megabit)
			flood, light := m.sender(t, 1), m.sender(t, 2)
			m.joined(t, flood)
			m.joined(t, light)
			during := lasting(10*time.Second, 35*time.Second)
			m.sends(t, flood, load{Size: size, Count: megabit.offered(2, size, during), For: during, Each: 10 * time.Second})
			m.sends(t, light, load{Size: 500, Count: int(20 * during.Seconds()), For: during, Each: 10 * time.Second})
			r := light.outcome(t, during+patience)
			t.Logf("light: %v", r)
			if r.Delivered != r.Sent || r.P50 > time.Second {
				t.Errorf("light: got %d of %d and p50 %v, want all within 1 s", r.Delivered, r.Sent, r.P50)
			}
			t.Logf("flood: %v", flood.outcome(t, during+patience))
		})
	}
}

// tenMegabit is the line that senders share.
var tenMegabit = shaping{Rate: 1e7, Delay: 10 * time.Millisecond, Packets: 100}

// TestSendersShareALine: each has its part, by links of their own and by one.
func TestSendersShareALine(t *testing.T) {
	t.Parallel()
	const senders, size = 4, 4096
	for _, ingresses := range []int{senders, 1} {
		t.Run(fmt.Sprint(ingresses, " ingresses"), func(t *testing.T) {
			t.Parallel()
			m := newLineMesh(t, tenMegabit)
			url := "ws://" + m.relay[0].at(relayPort)
			if ingresses == 1 {
				m.relay[1].runs(t, "--port", fmt.Sprint(relayPort), "--webrtc", "off", "--bootstrap", url)
				url = "ws://" + m.relay[1].at(relayPort)
			}
			var all []*member
			for i := range senders {
				s := m.senderBy(t, i+1, url)
				m.joined(t, s)
				all = append(all, s)
			}
			during := lasting(10*time.Second, 20*time.Second)
			for _, s := range all {
				m.sends(t, s, load{Size: size, AtOnce: 200, For: during, Each: during})
			}
			var sum, squares float64
			for i, s := range all {
				r := s.outcome(t, during+2*patience)
				sum += float64(r.InTime)
				squares += float64(r.InTime) * float64(r.InTime)
				t.Logf("%d: %d in time, %v", i, r.InTime, r)
			}
			fair := sum * sum / senders / squares
			t.Logf("Jain's index %.3f; %.0f %% of the line", fair, 100*tenMegabit.share(int(sum)*size, during))
			if fair < 0.95 {
				t.Errorf("Jain's index: got %.3f, want 0.95 at least", fair)
			}
		})
	}
}

// TestBesideTCP: a flow of messages and one of bare TCP share a line.
func TestBesideTCP(t *testing.T) {
	t.Parallel()
	for _, congestion := range []string{"cubic", "bbr"} {
		t.Run(congestion, func(t *testing.T) {
			t.Parallel()
			m := newLineMesh(t, tenMegabit)
			s := m.sender(t, 1)
			m.joined(t, s)
			tcp := m.relay[0].play(t, "bare")
			sink := m.bareSink(t)
			during := lasting(10*time.Second, 30*time.Second)
			tcp.tellJSON(t, bareFlow{To: lineAddress(m.far) + ":9", For: during, Congestion: congestion})
			m.sends(t, s, load{Size: 4096, AtOnce: 200, For: during, Each: during})
			tcp.nextWithin(t, during+patience)
			theirs := sink.taken(t)
			r := s.outcome(t, during+patience)
			ours, tcps := tenMegabit.share(r.InTime*4096, during), tenMegabit.share(theirs, during)
			t.Logf("messages %.0f %%, TCP %.0f %% of the line; %v", 100*ours, 100*tcps, r)
			if *long && min(ours, tcps) < 0.2 {
				t.Errorf("got %.2f of the line and %.2f for TCP, want two fifths of half of it for each", ours, tcps)
			}
		})
	}
}

// TestLongLine: on a line that is long, and loses some, messages come as fast as bytes over
// the same carrier.
func TestLongLine(t *testing.T) {
	for _, loss := range []float64{0, 0.001, 0.01} {
		if loss > 0 && !*long {
			continue
		}
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			s := shaping{Rate: 1e8, Delay: 40 * time.Millisecond, Packets: 500, Loss: loss}
			during := lasting(3*time.Second, 10*time.Second)
			bare := make(map[string]float64)
			for _, congestion := range []string{"cubic", "bbr"} {
				m := newLineMesh(t, s)
				tcp, sink := m.relay[0].play(t, "bare"), m.bareSink(t)
				tcp.tellJSON(t, bareFlow{To: lineAddress(m.far) + ":9", For: during, Congestion: congestion})
				tcp.nextWithin(t, during+patience)
				bare[congestion] = s.share(sink.taken(t), during)
			}
			m := newLineMesh(t, s)
			from := m.sender(t, 1)
			m.joined(t, from)
			m.sends(t, from, load{Size: 1024, AtOnce: 4000, For: during, Each: during})
			r := from.outcome(t, during+patience)
			t.Logf("messages %.0f %%, TCP with cubic %.0f %%, with bbr %.0f %% of the line; %v",
				100*s.share(r.InTime*1024, during), 100*bare["cubic"], 100*bare["bbr"], r)
			if r.Delivered == 0 || r.Unknown > 0 {
				t.Errorf("got %d delivered, %d unknown, want some and none", r.Delivered, r.Unknown)
			}
		})
	}
}

// TestAlternatingLine: a line whose rate changes by three orders of magnitude each second.
func TestAlternatingLine(t *testing.T) {
	t.Parallel()
	fast := shaping{Rate: 1e8, Delay: 10 * time.Millisecond, Packets: 100}
	slow := fast
	slow.Rate = 64e3
	m := newLineMesh(t, fast)
	s := m.sender(t, 1)
	m.joined(t, s)
	during := lasting(10*time.Second, 30*time.Second)
	m.sends(t, s, load{Size: 1024, Count: int(4e6 / 8 / 1024 * during.Seconds()), For: during, Each: 10 * time.Second})
	for began, i := time.Now(), 1; time.Since(began) < during; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second)))
		m.shape(t, []shaping{fast, slow}[i%2])
	}
	m.shape(t, fast)
	r := s.outcome(t, during+patience)
	t.Log(r)
	if r.Delivered < r.Sent*9/10 || r.Unknown > r.Sent/50 {
		t.Errorf("got %d of %d, %d unknown, want nearly all", r.Delivered, r.Sent, r.Unknown)
	}
}

// TestManySendersOnAVerySlowLine: twenty want half as much again as a line of 64 kbit/s can do.
func TestManySendersOnAVerySlowLine(t *testing.T) {
	t.Parallel()
	if !*long {
		t.Skip("takes minutes: -long")
	}
	const senders, size = 20, 1000
	line := shaping{Rate: 64e3, Delay: 25 * time.Millisecond, Packets: 50}
	m := newLineMesh(t, shaping{Rate: 1e7, Delay: line.Delay, Packets: 50})
	var all []*member
	for i := range senders {
		s := m.sender(t, i+1)
		m.joined(t, s)
		all = append(all, s)
	}
	m.shape(t, line)
	const during = 2 * time.Minute
	for _, s := range all {
		m.sends(t, s, load{Size: size, Count: line.offered(1.5, size, during) / senders, For: during, Each: 20 * time.Second})
	}
	sum, unknown := 0, 0
	for _, s := range all {
		r := s.outcome(t, during+patience)
		sum += r.Delivered
		unknown += r.Unknown
	}
	t.Logf("%.0f %% of the line; %d unknown", 100*line.share(sum*size, during+20*time.Second), unknown)
}
