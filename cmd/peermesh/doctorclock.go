package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/peermesh/peermesh/internal/hint"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/secret"
)

// clockWarn is a clock difference worth a word; HTTP tells whole seconds.
const clockWarn = 30 * time.Second

// clockFloor is a time that has passed: a clock before it is wrong, whatever others say.
var clockFloor = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// askClock asks a server for the time: how far this clock is behind the one there. It
// takes any answer and any certificate, as one that does not hold is what a wrong
// clock makes of a good one. So it sends nothing of the URL but its host, and what it
// hears decides nothing but what is advised.
func (p *patient) askClock(ctx context.Context, raw string) (behind time.Duration, ok bool) {
	u, err := secret.URL(raw).Parse()
	if err != nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	asked := url.URL{Scheme: strings.Replace(u.Scheme, "ws", "http", 1), Host: u.Host, Path: "/healthz"}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, asked.String(), nil)
	if err != nil {
		return 0, false
	}
	carrier := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}
	defer carrier.CloseIdleConnections()
	began := time.Now()
	resp, err := carrier.RoundTrip(req)
	if err != nil {
		return 0, false
	}
	took := time.Since(began)
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return date.Add(time.Second / 2).Sub(began.Add(took / 2)), true // whole seconds, cut off
}

// clock compares this machine's with those that answer at the bootstrap URLs.
func (p *patient) clock(context.Context) { p.say(clockFinding(time.Now(), p.behind, p.compared)) }

// clockFinding is what there is to say of a clock that says now, and is so far behind
// the one that differs most, if there was any to compare it with.
func clockFinding(now time.Time, behind time.Duration, compared bool) finding {
	f := finding{Check: "clock"}
	switch {
	case !compared && now.Before(clockFloor):
		f.Verdict, f.Hint = verdictFail, hint.SetClock
		f.Detail = fmt.Sprintf("this clock is at least %s behind: it says %s", hint.Span(clockFloor.Sub(now)), now.UTC().Format(time.RFC3339))
	case !compared:
		f.Verdict, f.Detail, f.Hint = verdictUnknown, "nobody to compare it with", "give --bootstrap, and it is compared with the clock there"
	case behind.Abs() < clockWarn:
		f.Verdict, f.Detail = verdictOK, fmt.Sprintf("within %s of those of the bootstrap nodes", max(behind.Abs().Round(time.Second), time.Second))
	default:
		f.Verdict, f.Hint = verdictWarn, hint.SetClock
		f.Detail = fmt.Sprintf("this clock is %s that at a bootstrap URL", hint.Clock(behind))
		if behind.Abs() >= limits.ClockTolerance {
			f.Verdict, f.Reason = verdictFail, "wrong-clock"
		}
	}
	return f
}
