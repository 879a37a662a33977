package wsconn

import (
	"errors"

	"github.com/peermesh/peermesh/bench/harness"
)

// Attach starts what a system runs on one end of a link. It calls arrived for
// each message that comes in, and returns how to send one and how to wait, once
// the link is closed, for what it started.
type Attach func(end *Conn, arrived func()) (send func(msg []byte) error, wait func())

// NewIdle returns idle links of one server for [harness.Idler].
func NewIdle(links int, corked bool, attach Attach) (harness.IdleLinks, error) {
	server, err := NewServer(corked)
	if err != nil {
		return nil, err
	}
	return &idle{server: server, attach: attach, want: links}, nil
}

type idle struct {
	server *Server
	attach Attach
	want   int
	links  []Link
	waits  []func()
}

// Connect implements [harness.IdleLinks].
func (i *idle) Connect() (ends int, err error) {
	for range i.want {
		link, err := i.server.Link(i.server.Addr())
		if err != nil {
			return 0, err
		}
		i.links = append(i.links, link)
		if err := i.exchange(link); err != nil {
			return 0, err
		}
	}
	return 2 * i.want, nil
}

// exchange sends one message each way.
func (i *idle) exchange(link Link) error {
	arrived := make(chan struct{}, 2)
	for _, end := range []*Conn{link.Left, link.Right} {
		send, wait := i.attach(end, func() { arrived <- struct{}{} })
		i.waits = append(i.waits, wait)
		if err := send(make([]byte, 64)); err != nil {
			return err
		}
	}
	<-arrived
	<-arrived
	return nil
}

// Close implements [harness.IdleLinks].
func (i *idle) Close() error {
	err := errors.Join(i.server.Close(), closeAll(i.links))
	for _, wait := range i.waits {
		wait()
	}
	return err
}
