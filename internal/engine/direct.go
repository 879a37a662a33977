package engine

import (
	"time"

	"github.com/peermesh/peermesh/internal/reason"
)

func (ev Offered) step(*Engine, time.Time) { ev.Done(reason.None) }

func (Traffic) step(*Engine, time.Time) {}
