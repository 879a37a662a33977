package hint

import (
	"fmt"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365*day + day/4
)

// Span is a time as people say it, without its sign: 10m0s, 3 days, 55 years.
func Span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d >= 2*year:
		return fmt.Sprintf("%d years", d/year)
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}

// Clock says how this clock stands to another, for a sentence that goes on with the
// other: 10m0s behind, 1h0m0s ahead of. Behind is the other's time less this one's.
func Clock(behind time.Duration) string {
	if behind < 0 {
		return Span(behind) + " ahead of"
	}
	return Span(behind) + " behind"
}
