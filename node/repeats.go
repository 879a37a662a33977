package node

import (
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"golang.org/x/time/rate"
)

// repeats decides which troubles are told when they come: those that are a change. The
// others it counts and sums up (docs/adr/042). The zero value is ready. Pure; its
// owner holds a lock.
type repeats struct {
	topics map[topic]*troubles
}

// topic is what is summed up together.
type topic struct {
	kind     EventKind
	outbound bool // of Refused: by those that this node dials
}

// troubles are those of one topic.
type troubles struct {
	from  map[string]*trouble // by URL, peer or network
	fresh *rate.Limiter       // of sources that are told of at once
	pace  pace
}

// trouble is what one source gives.
type trouble struct {
	state string    // that was told last: stage and reason
	told  int       // changes
	hold  time.Time // until then another change is a repetition
	seen  time.Time // last
	count uint64    // since the last sum
	last  Event
}

// everybody is the source of those that there is no room to tell apart.
const everybody = ""

func topicOf(ev *Event) topic {
	return topic{ev.Kind, ev.Kind == Refused && (ev.Outbound || ev.URL != "")}
}

// news says whether a trouble is to be told now. If not it is counted.
func (r *repeats) news(now time.Time, ev Event, from, state string) bool {
	t := r.topics[topicOf(&ev)]
	if t == nil {
		t = &troubles{from: make(map[string]*trouble), fresh: rate.NewLimiter(rate.Every(limits.RepeatEvents), limits.RepeatBurst)}
		if r.topics == nil {
			r.topics = make(map[topic]*troubles)
		}
		r.topics[topicOf(&ev)] = t
	}
	s := t.of(from)
	change := (s.told == 0 || s.state != state) && !now.Before(s.hold)
	s.seen = now
	if change && (s.told > 0 || t.fresh.AllowN(now, 1)) {
		s.state = state
		s.told++
		if more := s.told - limits.RepeatChanges; more >= 0 {
			s.hold = now.Add(min(limits.RepeatPause<<min(more, 8), limits.RepeatPauseMax))
		}
		t.pace.begin(now)
		return true
	}
	s.count++
	s.last = ev
	t.pace.begin(now)
	return false
}

// of is what is known of a source.
func (t *troubles) of(from string) *trouble {
	if t.from[from] == nil && len(t.from) >= limits.RepeatSources {
		from = everybody
	}
	if t.from[from] == nil {
		t.from[from] = new(trouble)
	}
	return t.from[from]
}

// over forgets a source: its trouble is over.
func (r *repeats) over(from string, of ...topic) {
	for _, topic := range of {
		t := r.topics[topic]
		if t == nil {
			continue
		}
		if delete(t.from, from); len(t.from) == 0 {
			t.pace = pace{}
		}
	}
}

// sums returns what is due to be told of what came again.
func (r *repeats) sums(now time.Time) (due []Event) {
	for _, t := range r.topics {
		var sum Event
		var count uint64
		sources := 0
		for from, s := range t.from {
			if s.count > 0 {
				count += s.count
				sources++
				if !s.last.Time.Before(sum.Time) {
					sum = s.last
				}
			} else if now.Sub(s.seen) >= limits.RepeatPauseMax {
				delete(t.from, from)
			}
		}
		if count == 0 || !t.pace.may(now) {
			continue
		}
		for _, s := range t.from {
			s.count, s.last = 0, Event{}
		}
		sum.Time, sum.Count, sum.Sources = now, count, sources
		due = append(due, sum)
	}
	return due
}

// pace lets something be told in pauses that double. The zero value is ready.
type pace struct {
	pause time.Duration // 0: not begun
	next  time.Time
}

// begin lets the first pause begin, unless one goes on.
func (p *pace) begin(now time.Time) {
	if p.pause == 0 || now.Sub(p.next) >= limits.RepeatPauseMax {
		p.pause, p.next = limits.RepeatPause, now.Add(limits.RepeatPause)
	}
}

// may says whether a pause is over, or none has begun; then the next begins.
func (p *pace) may(now time.Time) bool {
	switch {
	case p.pause > 0 && now.Before(p.next):
		return false
	case p.pause == 0 || now.Sub(p.next) >= limits.RepeatPauseMax:
		p.pause = limits.RepeatPause
	default:
		p.pause = min(2*p.pause, limits.RepeatPauseMax)
	}
	p.next = now.Add(p.pause)
	return true
}
