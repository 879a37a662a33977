// Package webrtc carries links over WebRTC data channels, so that two nodes
// without a public address, behind NATs or in a browser, are linked directly.
//
// A pipe is negotiated: one end makes an offer, the other answers it, both tell
// candidates as they find them. How these texts get from one end to the other is
// the caller's affair (nodes send them through the mesh); this package makes and
// takes them and ends with a [transport.Conn].
//
//	a, err := endpoint.Offer(ctx, setup)   // the other end: endpoint.Answer(ctx, setup, offer)
//	send(a.Description())
//	go func() {
//		for line := range a.Candidates() { send(line) }
//	}()
//	err = a.SetAnswer(ctx, received)       // then a.AddCandidate for each of the peer's
//	conn, err := a.Wait(ctx)
//
// One attempt at a time for each pair of ends is the caller's duty, too: two
// ends with fixed sockets are told apart by their addresses alone, so a second
// pipe between them breaks the first. To replace a pipe, close it and then open
// the new one.
//
// Of many attempts begun at once a few at a time are worked on, those with a peer
// that has begun first: all together would come too late on a busy machine.
//
// # What goes over the wire
//
// ICE over UDP, DTLS with a certificate made for the attempt, SCTP, and one data
// channel: number 0, negotiated by its number, ordered and reliable, binary
// messages of at most 65,535 bytes. A peer that opens a second channel is
// dropped. Both certificates' fingerprints, as they were really used, are the
// pipe's Binding, so that the link above can prove who holds them: the texts of
// the signalling prove nothing.
//
// A peer's candidates are suspect. None is tried that is not an IP literal for
// UDP, or that leads to link-local, multicast, broadcast, unspecified or cloud
// metadata addresses, in any spelling, or to a private or loopback port below
// 1024; of the others Setup.Take decides. Private ones that it refuses are tried
// all the same if they are of a network that this machine is in, or once both ends
// are seen with the same public address. A browser's names of multicast DNS are
// passed over: it shows its address by its first packet. An offer makes this end
// send few packets to addresses at which nobody answers, and fewer to one of them.
// The own candidates tell no address of their base.
//
// # Ends
//
// A clean Close is seen by the other end at once. It waits until what was
// flushed has arrived, limits.CloseLinger at most; usually an acknowledgement is
// 200 ms late when the last packet was an odd one. A peer that falls silent is
// given up after 8 s (ICEDisconnected and ICEFailed in package limits).
//
// An end that the library does not finish in limits.CloseMost is stuck: it is
// counted until it does, and many such refuse further links (Endpoint.Stuck).
//
// # What it costs
//
// Measured on two shared cores under a load of 10 to 15, both ends in one process
// over loopback, medians of five runs taken in turns with the library alone
// (detached, a buffer of 64 KiB for each pipe, the sender held at 1 MiB);
// BenchmarkConn and BenchmarkBare repeat it:
//
//	message     this package             the library alone        processor time of both ends
//	100 B       11.4 MB/s  114,000/s     11.0 MB/s  110,000/s     6.4 µs, alone 7.6 µs
//	1 KiB       29.0 MB/s   28,300/s      7.2 MB/s    7,000/s     31.8 µs, alone 36.3 µs
//	16 KiB      27.1 MB/s    1,660/s     19.8 MB/s    1,210/s     470 µs, alone 503 µs
//
// The difference is in larger socket buffers, without which a busy machine drops
// packets and each loss costs up to a second, and in checksums left to DTLS.
// Waiting without memory costs nothing that can be measured: a read into none
// finds the message's length, a second one takes it. The library's callback for
// messages copies each once more and holds 64 KiB for each pipe.
//
// An unordered channel without retransmissions is no faster way for datagrams:
// with half a megabyte under way and no loss on the network, 0.4 to 6 % of the
// messages did not arrive, and it stalled as often. The time goes into DTLS and
// SCTP packets of 1,191 bytes, which both have.
//
// A pipe takes about 260 KiB and 21 goroutines.
//
// The build tag nowebrtc leaves out all of it: New fails with ErrUnsupported.
package webrtc
