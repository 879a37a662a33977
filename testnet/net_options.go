package testnet

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/node"
)

// forNet returns the options of a network of real nodes with the defaults in
// their place, or all their mistakes.
func (o Options) forNet() (Options, error) {
	def := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	def(&o.Nodes, 50)
	def(&o.Homes, limits.LeafHomes)
	def(&o.MaxPeers, limits.RelayLinks)
	def(&o.MaxLeaves, limits.LeafLinksPort)
	if o.Transport == "" {
		o.Transport = WS
	}
	return o, errors.Join(o.checkCounts(), o.checkShares(), o.checkReal(), o.checkTransport(), o.Line.check())
}

func (o *Options) checkCounts() error {
	var errs []error
	for _, c := range []struct {
		field          string
		got, low, high int
	}{
		{"Nodes", o.Nodes, 1, math.MaxInt},
		{"Homes", o.Homes, 1, limits.Homes},
		{"MaxPeers", o.MaxPeers, 1, limits.MaxLinks},
		{"MaxLeaves", o.MaxLeaves, 1, limits.MaxLinks},
		{"Messages", o.Messages, 0, math.MaxInt},
	} {
		if c.got < c.low || c.got > c.high {
			errs = append(errs, fmt.Errorf("options: %s is %d: give %d to %d, or 0 for the default", c.field, c.got, c.low, c.high))
		}
	}
	return errors.Join(errs...)
}

// checkTransport refuses faults that links over WebRTC cannot be given.
func (o *Options) checkTransport() error {
	switch o.Transport {
	case WS:
		return nil
	case Mixed, WebRTC:
	default:
		return fmt.Errorf("options: Transport is %q: give %s, %s or %s", o.Transport, WS, Mixed, WebRTC)
	}
	var errs []error
	if !node.WebRTCSupported {
		errs = append(errs, fmt.Errorf("options: Transport is %s: this program was built without WebRTC (tag nowebrtc); use %s", o.Transport, WS))
	}
	for _, s := range []struct {
		field string
		given bool
	}{{"Silent", o.Silent != 0}, {"Partition", o.Partition != 0}, {"Line", o.Line.some()}} {
		if s.given {
			errs = append(errs, fmt.Errorf("options: %s is for links over WebSocket alone: use Transport %s", s.field, WS))
		}
	}
	return errors.Join(errs...)
}

func (o *Options) checkShares() error {
	var errs []error
	for _, s := range []struct {
		field string
		got   float64
	}{
		{"Leaves", o.Leaves}, {"Kill", o.Kill}, {"Silent", o.Silent}, {"Partition", o.Partition}, {"NoURL", o.NoURL},
		{"Apart", o.Apart},
	} {
		if !(s.got >= 0 && s.got <= 1) {
			errs = append(errs, fmt.Errorf("options: %s is %v: give a share from 0 to 1", s.field, s.got))
		}
	}
	for _, d := range []struct {
		field string
		got   time.Duration
	}{
		{"Duration", o.Duration}, {"Cut", o.Cut},
	} {
		if d.got < 0 {
			errs = append(errs, fmt.Errorf("options: %s is %v: give no time below zero", d.field, d.got))
		}
	}
	return errors.Join(errs...)
}

// checkReal refuses what only a simulation can do, rather than leave it out.
func (o *Options) checkReal() error {
	var errs []error
	for _, s := range []struct {
		field string
		given bool
	}{
		{"LatencyMin", o.LatencyMin != 0}, {"LatencyMax", o.LatencyMax != 0}, {"Loss", o.Loss != 0},
		{"BBR", o.BBR}, {"PlainGreedy", o.PlainGreedy}, {"Session", o.Session != 0}, {"Sybils", o.Sybils != 0},
		{"Nearest", o.Nearest}, {"NoURL", o.NoURL != 0}, {"Apart", o.Apart != 0}, {"MaxWebRTC", o.MaxWebRTC != 0},
	} {
		if s.given {
			errs = append(errs, fmt.Errorf("options: %s is for virtual time alone: use Sim", s.field))
		}
	}
	return errors.Join(errs...)
}

// share returns how many of n a share means; at least one of a share above zero.
func share(part float64, n int) int {
	if part <= 0 || n == 0 {
		return 0
	}
	return max(1, int(math.Round(part*float64(n))))
}
