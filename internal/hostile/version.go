package hostile

// What both ends have to say alike.
const (
	Version      = 1
	Subprotocol  = "peermesh.1"
	linkPrologue = "peermesh/1 link ws"
	e2ePrologue  = "peermesh/1 e2e"
)
