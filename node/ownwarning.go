package node

import "time"

// SetWarning adds a warning of the program's own to [Status], or replaces the one with
// that key, and tells of it as a Warned event. The same text again is no news. Part and
// Text have to be set; Since may be zero, for now.
func (n *Node) SetWarning(key string, w Warning) {
	if w.Since.IsZero() {
		w.Since = time.Now()
	}
	n.setWarning(programKey(key), w)
}

// ClearWarning takes back a warning of SetWarning, and tells that it is over.
func (n *Node) ClearWarning(key string) { n.clearWarning(programKey(key), time.Now()) }

// programKey keeps the program's keys apart from the node's.
func programKey(key string) string { return "program " + key }
