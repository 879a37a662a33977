package link

// Turns go by deficit round robin (Shreedhar and Varghese, 1996) with the lists of
// RFC 8290: who had nothing waiting goes before the others once. The link's round is
// of sources, and each source has a round of its flows. So a node that talks to a
// thousand others has one share, like a node that talks to one.

// place is that of a source or a flow in its round.
type place struct {
	next    *place
	source  *source // whose place it is, or
	flow    *flow
	deficit int  // bytes that it may still send in this turn
	taken   bool // it is in the round
}

// places is a list of places in order.
type places struct{ head, tail *place }

func (l *places) push(p *place) {
	if l.tail == nil {
		l.head = p
	} else {
		l.tail.next = p
	}
	l.tail = p
}

func (l *places) pop() *place {
	p := l.head
	if l.head = p.next; l.head == nil {
		l.tail = nil
	}
	p.next = nil
	return p
}

// round is who has a turn, in order. Those whose first it is go first, but send no
// more than the others for long: else who can be somebody else each time would
// leave nothing to them.
type round struct {
	fresh, old places
	ahead      int  // bytes that fresh ones have sent more than old ones lately
	behind     bool // the old ones' turn it is for that
}

// enter gives p, which has n bytes to send, a place and a turn unless it has one: before all who
// have had a turn if one turn is enough for them.
func (r *round) enter(p *place, n, quantum int) {
	if p.taken {
		return
	}
	p.taken, p.deficit = true, quantum
	if n <= quantum {
		r.fresh.push(p)
	} else {
		r.old.push(p)
	}
}

// list is the one whose head has its turn.
func (r *round) list() *places {
	if r.fresh.head == nil || r.behind && r.old.head != nil {
		return &r.old
	}
	return &r.fresh
}

// front is whose turn it is; nil: nobody is there. Who has used its turn up goes to
// the end.
func (r *round) front(quantum int) *place {
	for {
		l := r.list()
		if l.head == nil || l.head.deficit > 0 {
			return l.head
		}
		p := l.pop()
		p.deficit += quantum
		r.old.push(p)
	}
}

// spend notes that front has sent so many bytes.
func (r *round) spend(n, quantum int) {
	l := r.list()
	l.head.deficit -= n
	if l == &r.old {
		n = -n
	}
	r.ahead = max(r.ahead+n, 0)
	r.behind = r.ahead >= 2*quantum || r.behind && r.ahead > 0
}

// leave takes the place of front, which has nothing waiting. One that came with its
// first turn keeps a place behind the others until it has no debt: else who sends
// one frame at a time would always go first. False: it kept one.
func (r *round) leave() (left bool) {
	l := r.list()
	p := l.pop()
	if l == &r.fresh && r.old.head != nil {
		r.old.push(p)
		return false
	}
	p.taken = false
	return true
}

// park takes front out of the round. Its place stays taken.
func (r *round) park() *place { return r.list().pop() }
