package ws

import "github.com/peermesh/peermesh/internal/ws"

// LinkCongestion is the congestion control that a link to another machine gets, which
// asks for BBR; false: the system does not tell.
func LinkCongestion() (name string, ok bool) { return ws.LinkCongestion() }
