package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/peermesh/peermesh/internal/hint"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
)

// ClockError says that a link failed, and that this machine's clock and the one at
// the other end differ by more than the mesh bears: the likely cause. The other
// clock's time is that of the answer to the upgrade; nobody signed it.
type ClockError struct {
	Behind time.Duration // this clock is behind the other; below zero: ahead of it
	Err    error         // how the link failed
}

// Error says by how much, and how the link failed.
func (e *ClockError) Error() string {
	return fmt.Sprintf("this clock is %s that of the server there: %v", hint.Clock(e.Behind), e.Err)
}

// Unwrap returns how the link failed.
func (e *ClockError) Unwrap() error { return e.Err }

// clockSlack is what the clocks may be off by the measurement.
const clockSlack = 2 * time.Second

// byClock is err, or a *ClockError of it where the clocks differ by more than the
// mesh bears and the error is one that this can cause: certificates and records that
// do not hold, for one of the two ends. The end that refuses hangs up.
func byClock(conn transport.Conn, err error) error {
	clocked, ok := conn.(transport.Clocked)
	if !ok || err == nil {
		return err
	}
	behind, told := clocked.ClockBehind()
	if !told || behind.Abs() < limits.ClockTolerance-clockSlack {
		return err
	}
	why := reason.None
	if h := (*link.HandshakeError)(nil); errors.As(err, &h) {
		why = h.Reason
	} else if !errors.As(err, &why) {
		return err
	}
	switch why {
	case reason.BadCertificate, reason.BadRecord, reason.CarrierFailed:
		return &ClockError{behind, err}
	}
	return err
}
