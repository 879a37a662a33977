// Package engine is the part of a node that decides. It does no IO, starts no
// goroutine and reads no clock: links, bytes and the time come in, decisions go
// out, so that a node on sockets and a simulation of thousands of nodes run the
// same code.
//
// # Where a frame goes
//
// [Snapshot.Forward] answers for one mesh frame that came over a link, and
// [Snapshot.ForwardOwn] for one of this node's own, what becomes of it. They
// follow the rules of docs/protocol.md, section 3, in their order:
//
//	0  a leaf's link carries that leaf's frames only; a leaf keeps its own and drops the rest
//	1  a first waypoint that is this node is removed
//	2  a frame that has arrived is delivered; one whose target is linked goes there
//	3  an attachment record that led here wrongly: Hint(detached)
//	4  a leaf's own frame goes to its relay closest to the target
//	5  an attachment record of the destination adds one of its homes as waypoint
//	6  else the best relay that is strictly closer to the target than this node, by
//	   a link that carries frames of others if there is one (carry.go); a scatter
//	   frame by any of those (scatter.go)
//	7  at a dead end a Nearest frame is answered; a frame with a detour list goes
//	   sideways or back, in depth-first order; one without leaves its source in
//	   any direction; a waypoint is given up
//	8  else Hint(no route)
//
// The target is the first waypoint, else the destination, else the Key of a
// Nearest frame. Rule 6 alone cannot loop, as the distance falls with every
// crossing; rule 7 cannot, because a detour list names every relay the frame was
// at; the hop limit of 64 bounds both.
//
// # Which links a node has
//
// [Engine.Step] takes what happened and returns what to do. A relay that has a
// first link looks up its own Key (asks.go), learns of others by signed contact
// records (contacts.go, findnode.go) and by neighbours' lists (peers.go), and
// dials whom routing.Filler wants (membership.go). Who asks for a link gets a
// place or is told whom else to try (admission.go). A leaf chooses homes and
// gives each its record (homes.go, attach.go); the homes lay it at relays all over
// the mesh (laying.go). Relays keep such records for others (records.go, store.go)
// from each Store that passes (passed.go), and rule 5 reads them. A relay by way of which frames get lost is left out for a while
// (doubt.go), and the list of one before (misled.go).
//
// Links over WebRTC are capped (webrtc.go), and go to who has no URL (prefer.go).
// Two nodes may have a link for what they have to say to each other (direct.go),
// because a user wants it (reach.go) or because they talk much (hot.go).
//
// # Who owns what
//
// The owner of the links builds a [Snapshot] whenever a link, its role, its
// state or what is known of it changes, and publishes it through an atomic
// pointer. Each reader of a link keeps an [Ingress]: a few remembered next hops,
// the token buckets of that link, and memory for one rewritten frame. So readers
// share nothing that is written, take no lock and allocate nothing.
package engine
