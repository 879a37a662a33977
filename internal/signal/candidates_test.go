package signal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// numbered are candidates that tell their numbers.
func numbered(from, to int) (lines []string) {
	for n := from; n < to; n++ {
		lines = append(lines, fmt.Sprint(n))
	}
	return lines
}

func TestCandidatesComeInOrderAndOnce(t *testing.T) {
	for _, before := range []int{0, 3, 6} { // how many messages come before the description
		table := New(self)
		wantBegun(t, table, upper, session(1))
		var got []string
		for i, part := range [][2]int{{3, 5}, {1, 2}, {3, 4}, {0, 1}, {5, limits.Candidates}, {2, 3}} {
			if i == before {
				got = append(got, table.Described(upper, session(1))...)
			}
			ready, why := table.Candidates(start, upper, session(1), uint16(part[0]), numbered(part[0], part[1]))
			if why != reason.None {
				t.Errorf("%v: got %v, want none", part, why)
			}
			got = append(got, ready...)
		}
		got = append(got, table.Described(upper, session(1))...)
		if want := numbered(0, limits.Candidates); !slices.Equal(got, want) {
			t.Errorf("%d before the description: got %v, want %v", before, got, want)
		}
	}
}

func TestCandidatesRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		first uint16
		lines []string
		want  reason.Reason
	}{
		{"as many as there may be", 0, numbered(0, limits.Candidates), reason.None},
		{"one more", 0, numbered(0, limits.Candidates+1), reason.Malformed},
		{"the highest number", 65_535, numbered(0, 1), reason.Malformed},
	} {
		table := New(self)
		wantBegun(t, table, upper, session(1))
		table.Candidates(start, upper, session(1), 1, numbered(1, 2))
		table.Described(upper, session(1))
		if got, why := table.Candidates(start, upper, session(1), c.first, c.lines); why != c.want || why != reason.None && got != nil {
			t.Errorf("%s: got %v and %v, want %v", c.name, got, why, c.want)
		}
	}
}

// Candidates may overtake their offer: those of one session are kept.
func TestCandidatesBeforeTheirOffer(t *testing.T) {
	table := New(self)
	early := func(s wire.Session) {
		t.Helper()
		if got, why := table.Candidates(start, upper, s, 0, numbered(0, 2)); got != nil || why != reason.None {
			t.Errorf("early: got %v, %v, want none yet", got, why)
		}
	}
	early(session(1))
	early(session(2))
	wantVerdict(t, "offer", table.Offered(start, upper, session(2)), Verdict{Action: Accept})
	if got := table.Described(upper, session(2)); !slices.Equal(got, numbered(0, 2)) {
		t.Errorf("got %v, want those that came early", got)
	}
	table.End(upper, session(2))
	if _, why := table.Candidates(start, upper, session(2), 2, nil); why != reason.Unsolicited {
		t.Errorf("after the end: got %v, want %v", why, reason.Unsolicited)
	}
	wantVerdict(t, "offer", table.Offered(start, upper, session(1)), Verdict{Action: Accept})
	if got := table.Described(upper, session(1)); got != nil {
		t.Errorf("got %v, want none: those of another session came later", got)
	}
	if got := table.Described(upper, session(3)); got != nil {
		t.Errorf("of nothing: got %v", got)
	}
}
