// Package dgram is UDP on a mesh: a port of a node as a [net.PacketConn]. An
// address is a node's ID and a port, [Addr], where UDP has an IP address and a
// port. Programs and libraries written for a net.PacketConn run on it unchanged:
//
//	conn, err := net.ListenPacket("udp", ":7")                       // before
//	conn, err := dgram.ListenConfig(node.Config{Bootstrap: urls}, 7) // a node of its own
//	conn, err := dgram.Listen(n, 7)                                  // a port of a running one
//
// # What is as on UDP
//
// A datagram may be lost, and rarely overtakes another. WriteTo copies it and
// returns; that nobody is there, that no way leads there or that a queue is full
// is a drop and not an error. ReadFrom returns one datagram and cuts it to the
// buffer. An empty datagram is one. Deadlines and Close end calls that wait,
// with os.ErrDeadlineExceeded and net.ErrClosed. Datagrams to the own address
// arrive. A suite of tests runs on a PacketConn and on a net.UDPConn with the
// same expectations.
//
// # What is better
//
// The address that ReadFrom returns has been proven by a handshake: it cannot be
// forged. No datagram comes twice or altered, and nobody on the way can read it.
// The largest, [MTU], is the same on every path and needs no probing. An [Addr]
// is comparable, so it may be the key of a map. [PacketConn.Stats] counts each
// drop by its reason.
//
// QUIC, HTTP/3 and DTLS want a certificate all the same. [ServerTLS] and [ClientTLS]
// have one that proves the ID, so that no authority and no file of keys is needed.
//
// # What is different
//
// WriteTo may wait: while the queue of the first link is full, for [WriteWait]
// at most, or until the write deadline if one is set; a sender is slowed down to
// what the link takes before anything is lost. The same holds at the other end: a
// queue that is full holds up for 25 ms the link that it fills from; what finds
// no room then is dropped until half of the queue is read.
//
// The first datagram to a node needs a handshake with it, and a node that has
// just been started needs a link. Until then up to 32 datagrams (64 KiB) for
// each peer wait, for 5 s. Nobody has to be inside ReadFrom for that. More than
// those are drops counted as "session-limit".
//
// Port 0 is not for a PacketConn: it is where [node.Node.Send] goes. A message
// that [node.Port.Send] addresses to the port of a PacketConn is read as a
// datagram. A Request is refused, for nothing would answer it.
//
// # For users of peer-relay
//
// The JavaScript module peer-relay has a Socket like that of Node's dgram, on
// peer IDs. What its page promises and how the same is said here:
//
//	new PeerRelay.Socket({bootstrap: urls, port: 8080})
//	    dgram.ListenConfig(node.Config{Bootstrap: urls, Listen: ":8080"}, 0)
//
//	socket.send(buf, offset, length, port, peerID, cb)     port is ignored
//	    conn.WriteTo(buf[offset:offset+length], dgram.Addr{ID: peerID, Port: port})
//	    The port counts: one node has many, each with its own PacketConn.
//
//	send before any peer is linked: queued, without bound
//	    WriteTo before any link: queued, up to 32 datagrams for each peer and 5 s
//
//	socket.address()                   {address: own ID, port: a random number or that of bind, family: 'peer-relay'}
//	    conn.LocalAddr()               dgram.Addr{ID: own ID, Port: the port}, Network "peermesh"
//
//	socket.bind(port, cb)              does nothing but set that number, and calls back at the first peer
//	    dgram.Listen(n, port)          takes the port, or fails: it is in use. It waits for no peer;
//	                                   conn.Node().Ready(ctx) does
//
//	socket.on('message', (buf, rinfo) => …)     rinfo is what the sender claims
//	    n, from, err := conn.ReadFrom(buf)      from is what the sender has proven
//
//	socket.on('error', …)              errors of the node below bubble up as this event
//	    err                            of ListenConfig: each mistake of the configuration; of the methods:
//	                                   what they say. Why no link comes about, Ready returns as a
//	                                   *node.JoinError; conn.Node().Events(ctx) tells what happens
//
//	socket.close(cb), 'close'          destroys the node
//	    conn.Close()                   of ListenConfig the same, when what was queued is written; of Listen
//	                                   the node runs on. Calls that wait return net.ErrClosed
//
//	socket.peer                        the node below
//	    conn.Node()
package dgram
