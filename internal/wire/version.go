package wire

// What names the version of the protocol. Every change of it that an older node
// would not understand raises the number, so that nodes of two versions refuse
// each other at once.
const (
	ProtocolVersion = 2 // in a Hello; the subprotocol of transport/ws ends with it

	LinkPrologue    = "peermesh/2 link ws" // of the handshake of a link
	SessionPrologue = "peermesh/2 e2e"     // of an end-to-end handshake; both IDs follow
)
