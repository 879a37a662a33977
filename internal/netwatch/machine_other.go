//go:build !linux

package netwatch

import "time"

func local() Machine { return newPoller() }

// stood is how far the wall clock is ahead of the clock that stands still while the
// machine sleeps.
func stood(begun, now time.Time) time.Duration {
	return now.Round(0).Sub(begun.Round(0)) - now.Sub(begun)
}
