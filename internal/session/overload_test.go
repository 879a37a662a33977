package session

import (
	"testing"
	"time"
)

func TestOverloadByWhatCanBeMet(t *testing.T) {
	const rate = 100_000
	tests := []struct {
		name    string
		waiting int
		rate    float64
		left    time.Duration
		want    bool
	}{
		{"a burst that all can meet", 370_000, rate, 5 * time.Second, false},
		{"more than three quarters of its time", 380_000, rate, 5 * time.Second, true},
		{"no deadline", 10_000_000, rate, 0, false},
		{"the rate is not known", 10_000_000, 0, time.Second, false},
		{"nothing waits", 0, rate, time.Millisecond, false},
	}
	for _, tt := range tests {
		var o order
		if o.arrives(tt.waiting, tt.rate, tt.left); o.overloaded != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, o.overloaded, tt.want)
		}
	}
}

// It lasts until what waits is less than 200 ms of the rate, whatever comes.
func TestOverloadEnds(t *testing.T) {
	o := order{overloaded: true}
	o.arrives(1, 100_000, time.Hour)
	o.drains(20_001, 100_000)
	if !o.overloaded {
		t.Error("it ended with 200 ms of the rate waiting")
	}
	if o.drains(19_999, 100_000); o.overloaded {
		t.Error("it did not end below")
	}
	o.overloaded = true
	if o.drains(0, 0); o.overloaded {
		t.Error("it did not end with nothing waiting")
	}
}
