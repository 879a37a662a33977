// Package session keeps what two ends owe each other: keys that nobody between
// them has, and messages that are delivered at most once and never lost without
// a word. It does no IO, has no goroutine and reads no clock: frames, times and
// randomness come in, frames go out through Config.Emit. docs/protocol.md,
// section 4, is the protocol; this page tells the rules behind it that one
// cannot see from the bytes.
//
// Handshake and Cipher are Noise, for links too. Table is one node's sessions
// with all its peers.
//
// # Who calls what
//
// Control calls (HandleHandshake, Finish, HandleHint, Tick) are made by one
// goroutine at a time; everything else by any. A Job goes from a control call to
// Run, on any goroutine, to Finish; each must be finished. Locks are taken in
// the order Table.mu, peer.mu, then one of: timers, waits, index, the random source,
// the scores, an answer. session.mu guards a replay window and is taken alone. Emit, Arm
// and Homes are called with locks held and must not call back; Deliver, Notify,
// Doubt and the done functions of messages are called with none.
//
// # Sessions of a peer
//
// A peer has up to three: the current one, which seals; a next one, which we
// began and the peer has not confirmed by a frame; a previous one, which only
// opens, for limits.PreviousSession. Message 3 proves to the responder that the
// initiator holds the keys, so it takes a new session into use at once. The
// initiator waits for a frame on it while an older one serves, so that a frame
// that is sent can always be opened. A replayed or forged handshake, hint or
// cookie never ends a session; at worst it costs one handshake a second.
//
// # At most once
//
// A message gets its id when its first copy leaves, and ids count up: for one
// start of a sender no id comes twice, not even when it has dropped the peer in
// between (Table.floor). They begin at a random number, so that a response to an
// earlier start of the sender fits no request of the present one. Each copy is
// sealed anew, under the next counter.
//
// The receiver decides upon each id once: accepted or refused, both for good.
// While a message is being delivered its id is busy, and a copy that arrives by
// another link is dropped without an ack. The decisions live in the inbox of the
// peer, which outlives sessions but not the entry of the peer: eviction,
// idleness and restarts lose it. Therefore:
//
//   - Each handshake tells whose ids are still held (window). A sender that
//     learns of a loss, or of a new instance, ends every message of which a copy
//     has left as PeerRestarted, Outcome Unknown. What never left goes on.
//   - A window is promised in message 2 and used after message 3. In between it
//     may go: then message 3 is refused, and the handshake begins again.
//   - A window is promised only once the peer has heard of its beginning
//     (inbox.known), that is when a session stands at both ends whose handshake
//     promised none. Otherwise a node that lost its window, and began a handshake
//     that never got through, would pass the new, empty window off as the lost one.
//   - When two handshakes cross, the later message 3 may have been written before
//     the first session stood. What left first on that session is not meant by
//     what this message 3 says of the window (Pending.began).
//
// # Never without a word
//
// Every message ends exactly once, by one of: an ack; a response; a refusal; a
// lost window; no route to a peer that was never reached; Cancel; eviction of the
// peer, which never happens to one that messages of ours wait for; Close. Until then it is in exactly one list: fresh (no copy has
// left), a flight (a copy is on its way), again (a copy is due), shelf (it cannot
// arrive in time). A copy that no
// link takes leaves it where it is. An ack names ids, and acking walks the bits
// of unacked ids only, so its cost goes by the messages that it ends. It names
// what was accepted before, too: an ack that is lost, or overtaken by the next
// one where links queue by class, is not to look like lost messages.
//
// # When a message goes again
//
// A path (path.go) is what is known of one first hop to one peer: its round trip, and
// what is on its way by it, in the order of the counters. A counter names one copy, and
// an ack tells that of the newest which arrived, so that a round trip is never that of
// another copy (acked.go). Of a message that left once it is certain anyway which copy
// arrived; of the others only the newest of an ack. Copies that were given up are
// remembered for a while (past), because they may have been late and not lost.
//
// What left by the same first hop clearly before a copy that arrived is lost: links keep
// the order, so looking at the head of the flight is enough. It goes again by the same
// hop, since all that was lost was one place in a queue; a second time it does not.
//
// A path has one timer (timeout.go). When it ends, the own link is asked whether it
// still holds the oldest copy; what it holds is not late. Else that copy alone goes
// again, by another first hop, and at the second end in a row all of the path does.
//
// # Windows
//
// A copy leaves when the window of its path, of one peer and first hop, has room for
// it (control.go, docs/adr/045). Marks of relays and losses cut the window. What does
// not fit stays in the outbox, where deadlines are known: the oldest leaves first, but
// the newest while not all can be met (order.go), and what cannot arrive in time does
// not leave at all (the shelf). A path that is full is looked at again when an ack
// comes or its timer ends. A link that is full tells (Table.Room): those who wait for
// it send in the order in which it refused them (waitlist.go).
//
// # First hops
//
// What left by which first hop is in the trail of each thing (trail.go). When an
// ack makes certain that a copy was lost and by which other hop one arrived, that
// hop leads with this peer, with the home or aim of the copy (lead.go, way.go), and the one that lost is blamed, over all
// peers (score.go); one that more than one destination blames is told to the
// owner as doubted.
//
// # Finding a peer
//
// A message 1 for a peer that is neither linked nor spoken with leaves in copies
// that share nothing (search.go): each by another first hop and another way. What
// is said of one copy, by anybody, ends none of the others. A record that comes
// back for a copy (Found) sends two of three further ones by the homes it names.
// The copies of message 2 find the way back in the same manner (second.go).
//
// # A peer that is away
//
// Who is known to be there, or was a while ago, is tried on whatever relays say
// (known, reached.go). When a copy after the fourth is told to be nowhere, the peer is
// away (away.go): nothing of what waits leaves but a probe, until the peer itself says
// something that proves that ours arrives. What never left is known not to have
// arrived; what left is not, for a Hint is the word of somebody who held the copy.
//
// # Datagrams that share a frame
//
// A large datagram is sealed by who sends it (AppendDatagram). A small one has an
// Opening, from which the link that it leaves by writes a Draft: a frame that is
// in the link's queue, unsealed, and takes further datagrams while it is the last
// one there (docs/adr/014). It has a counter from the beginning and belongs to the
// session that gave it. Whoever writes the queue out seals it, on any goroutine,
// even when the session has been replaced or closed by then: the peer may still
// open it, and the counter is nobody else's.
//
// # Bounds
//
// Entries of peers: limits.Sessions. In a full Table a stranger displaces the least
// used peer of the address group, and in it of the ingress link, that brought most,
// and of its own link or group alone when that has limits.SessionsPerLink. It never
// displaces a peer with which we began, that owes us an ack for a message, or to
// which we sent a message or datagram in the last limits.SessionHeld, and none of
// the limits.SessionsInUse that are in use longest: where only such are left, it
// stays out (crowd.go). What a peer can make us send, as acks, responses and homes,
// holds no place.
//
// Answers under way: HandshakesInFlight, in all HandshakeAnswers; a link that
// floods displaces its own. Budgets:
// HandshakeBuckets. Frames that overtake message 3: HeldFrames, WaitingBytes for
// each answer. Waiting for a session: WaitingMessages, WaitingBytes. Unacked:
// MessageWindow, UnackedBytes. A bundle: MaxBundle. Decisions remembered: those on MessageWindow ids,
// a bit for each, and a byte once something was refused; beyond WindowFree they are charged to a
// budget for all windows, and a message that finds none is dropped, to come again. Copies of message 1 that
// are remembered: FirstCopies; of message 2: SecondCopies; IDs known to have been there: ReachedPeers and ReachedLinks; searches that send more than one: SearchRate. What is patient (Message.Patient) is bounded by
// the callers that wait for it.
package session
