package ws

import (
	"net/http"
	"time"
)

// clock is what the server's clock said when it answered.
type clock struct {
	behind time.Duration
	told   bool
}

// ClockBehind is how far this machine's clock is behind the one that the server's
// answer tells of; below zero: ahead of it. False: the answer did not tell the time.
func (c clock) ClockBehind() (time.Duration, bool) { return c.behind, c.told }

// clockOf reads the Date of an answer to a request that was sent at the time asked.
// It has whole seconds, cut off.
func clockOf(h http.Header, asked, answered time.Time) clock {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return clock{}
	}
	return clock{date.Add(time.Second / 2).Sub(asked.Add(answered.Sub(asked) / 2)), true}
}
