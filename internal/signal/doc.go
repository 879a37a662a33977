// Package signal keeps what a node knows of the WebRTC links that it is
// arranging: which offer counts, and which of the peer's candidates may be used.
//
// There is one [Table] for a node, with at most one attempt per peer. It decides
// and does no IO: what it is told came as the bodies of wire.ConnectPort, and
// what it says the caller does, with one PeerConnection for each attempt that is
// not given up. Random sessions and the time come in as arguments.
//
// # The offerer
//
// Begin, then an offer is made, which takes a while; if it has not been dropped for
// one of the peer meanwhile, it is sent. The reply goes to Answered (then set the description, then
// Described), to Yielded, or ends the attempt.
//
// # The answerer
//
// Offered, when everything else speaks for an answer: a link that is up, or a
// URL that can be dialled, is better. On Accept and AcceptDroppingOurs an answer
// is made and Described called; on Yield and Refuse nothing is made.
//
// # Glare
//
// When both have made an offer that of the lower ID counts. Who has the lower ID
// says so to the other's offer (Yield). Who has the higher ID gives its own up on
// hearing that, or on seeing the offer of the lower, whichever comes first, and
// answers the offer of the lower. Messages may overtake each other in any way:
// an offer that was answered is never given up for another, because who answered
// it had none under way; so what comes then is old.
//
// # Ends
//
// Who gives a session up before there is a link says so to the peer, which calls
// Over: neither end holds what the other has closed. Who made the offer says it
// also when the peer said so first, and when End tells that the peer may wait for
// the offer: it may have yielded to it.
//
// # Candidates
//
// Each end numbers its candidates from 0. They are handed out in that order, each
// once, and none before the peer's description is set, on which they depend.
package signal
