package dgram

import (
	"testing"
	"time"
)

// A deadline that is moved while its time runs out does not pass, though its
// timer was too late to be stopped.
func TestMovedDeadlineDoesNotPass(t *testing.T) {
	for _, to := range []time.Time{{}, time.Now().Add(time.Hour)} {
		d := newDeadline()
		d.mu.Lock()
		d.move(time.Now().Add(time.Millisecond))
		time.Sleep(20 * time.Millisecond) // the timer's function waits for mu
		d.move(to)
		d.mu.Unlock()
		select {
		case <-d.look().passed:
			t.Error("the deadline passed that was moved")
		case <-time.After(20 * time.Millisecond):
		}
		d.end()
	}
}
