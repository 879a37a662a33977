package hostile

import "github.com/peermesh/peermesh/internal/wire"

// What both ends have to say alike.
const (
	Version      = wire.ProtocolVersion
	Subprotocol  = "peermesh.2"
	linkPrologue = wire.LinkPrologue
	e2ePrologue  = wire.SessionPrologue
)
