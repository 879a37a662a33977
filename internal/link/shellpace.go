package link

import (
	"time"

	"github.com/peermesh/peermesh/internal/guard"
)

// doze has the writer look again soon, if there was no room. A driven link's owner
// does that, see Pump. It needs mu.
func (l *Link) doze() {
	switch {
	case !l.line.asleep || l.Wake != nil || l.ended:
	case l.writer.alarm == nil:
		l.writer.alarm = time.AfterFunc(l.line.pause(), guard.Func("the writer of a slow link", l.rung, l.panicked))
	default:
		l.writer.alarm.Reset(l.line.pause())
	}
}

// rung is the alarm that doze has set.
func (l *Link) rung() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line.asleep {
		l.awake()
	}
}
