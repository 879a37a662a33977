package session

// list is a list of pending messages. A message is in at most one.
type list struct {
	head, tail *Pending
	n          int
}

// push puts m at the end.
func (l *list) push(m *Pending) {
	m.list, m.before, m.behind = l, l.tail, nil
	if l.tail != nil {
		l.tail.behind = m
	} else {
		l.head = m
	}
	l.tail = m
	l.n++
}

// pushFront puts m before all others.
func (l *list) pushFront(m *Pending) {
	m.list, m.before, m.behind = l, nil, l.head
	if l.head != nil {
		l.head.before = m
	} else {
		l.tail = m
	}
	l.head = m
	l.n++
}

// cut takes m out of the list that it is in, if any.
func (m *Pending) cut() {
	l := m.list
	if l == nil {
		return
	}
	if m.before != nil {
		m.before.behind = m.behind
	} else {
		l.head = m.behind
	}
	if m.behind != nil {
		m.behind.before = m.before
	} else {
		l.tail = m.before
	}
	l.n--
	m.list, m.before, m.behind = nil, nil, nil
	if f := m.path; f != nil {
		f.control.land(int(m.last.size))
		m.path = nil
	}
}
