package node

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Warning is something about this node that is wrong now, and that whoever runs it
// can mend. It goes when it is mended.
type Warning struct {
	// Part is what it is about, such as "state", "known-peers" or "admin".
	Part  string    `json:"part"`
	Text  string    `json:"text"`
	Hint  string    `json:"hint,omitempty"` // what to do
	Since time.Time `json:"since"`
	// Broken says that something does not work now; false: it will come to that, or
	// goes on as it was before.
	Broken bool `json:"broken,omitempty"`
}

// warnings are those of now, by a key of their own: their part, or the part and what
// of it. Any goroutine.
type warnings struct {
	mu  sync.Mutex
	now map[string]Warning
}

// set takes a warning; false: it is there already.
func (w *warnings) set(key string, one Warning) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, had := w.now[key]
	if had && old.Text == one.Text {
		return false
	}
	if w.now == nil {
		w.now = make(map[string]Warning)
	}
	w.now[key] = one
	return true
}

// clear takes a warning back; false: there is none.
func (w *warnings) clear(key string) (Warning, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, had := w.now[key]
	delete(w.now, key)
	return old, had
}

// list is what Status tells, the oldest first.
func (w *warnings) list() []Warning {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.AppendSeq(make([]Warning, 0, len(w.now)), maps.Values(w.now))
	slices.SortFunc(all, func(a, b Warning) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Text, b.Text)) })
	return all
}

// setWarning tells of a warning once: one event and one line for each change of
// state.
func (n *Node) setWarning(key string, w Warning) {
	if n.warnings.set(key, w) {
		n.announce(Event{Kind: Warned, Time: w.Since, Part: w.Part, Err: w.Text, Hint: w.Hint})
	}
}

// clearWarning tells that a warning is over, if there was one.
func (n *Node) clearWarning(key string, now time.Time) {
	if w, had := n.warnings.clear(key); had {
		n.announce(Event{Kind: Resolved, Time: now, Part: w.Part})
	}
}

// announce makes something an event and a line in the log.
func (n *Node) announce(ev Event) {
	n.events.send(ev)
	n.logEvent(ev)
}
