// Package node runs a peermesh node: it holds direct links to other nodes,
// forwards their frames toward the closest known ID, and lets a program talk
// to any node of the mesh knowing nothing but that node's ID.
//
// A node is started by [New] and ended by [Node.Close] or, politely, by
// [Node.Shutdown]. The zero [Config] is a private node: a fresh identity, no
// port, no bootstrap, nothing logged.
//
//	n, err := node.New(node.Config{Bootstrap: []string{"ws://10.0.0.7:8080"}})
//	if err != nil { ... }
//	defer n.Close()
//	err = n.Send(ctx, id, []byte("hello")) // nil: it is in the other's queue
//
// # Two promises
//
// A datagram ([Node.SendDatagram]) may be lost; it is never duplicated, never
// altered, and never comes from another sender than the one it names. A
// message ([Node.Send], [Node.Request]) is delivered at most once, is sent
// again over other first hops until the receiver acknowledges it, and ends in
// nil or in a [*SendError] that says what is known: [Undelivered], or
// [Unknown] when a copy had left and no answer came. An acknowledgement means
// that the receiver's port took the message into its bounded queue.
//
// Datagrams of up to limits.SmallDatagram bytes from one port to another that
// wait for the same write of a link go in one frame, and are lost together. None
// waits for others to come.
//
// # Links
//
// A node with [Config.Listen] is dialled over WebSocket. Nodes without link over
// WebRTC: offer, answer and candidates travel as sealed messages through the mesh,
// and each end proves the key of its ID for the very channel that opened. The mesh
// makes such links where it needs them; [Node.Connect] makes one to any node, and
// two that talk much get one by themselves. A link that is Direct in its
// [PeerInfo] is there for its two ends alone.
//
// # Goroutines
//
// Every link has a reader goroutine, and while it is busy a writer. A frame to be
// forwarded is handled wholly by the reader of the link it came by. One
// control loop owns everything that changes the node's state. Handlers of a
// port run one after another on that port's goroutine, never on a link's.
// All methods may be called from any goroutine.
//
// # Locks
//
// The order is: a session's locks, then a link's. The control loop holds
// neither while it calls a user's code.
package node
