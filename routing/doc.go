// Package routing answers one question: which way?
//
// # The space
//
// Every node has an [ID] of 20 bytes. Its place in the routing space is its
// [Key], the SHA-256 of the ID, and the distance of two places is the XOR of
// their Keys read as one 256-bit number, most significant byte first. This is
// the metric of go-libp2p-kbucket; every implementation of the mesh uses it and
// no other, because greedy forwarding only works when all nodes agree on who is
// closer.
//
// Bucket b of a node holds the nodes whose Keys share exactly b leading bits
// with its own; see [Key.CommonPrefixLen].
//
// # The two structures
//
// A [Table] is the table of record: which peers a node is linked to, how many of
// them lie in each bucket, and who is nearest to a Key when somebody asks. Its
// buckets are those of go-libp2p-kbucket. It takes a lock and allocates, and is
// meant for the control plane.
//
// A [Snapshot] is what forwarding reads: an immutable copy of all live links,
// sorted by Key, with whatever the caller wants to find there as [Hop.Value].
// A writer derives the next snapshot with [Snapshot.With] or [Snapshot.Without]
// and publishes it, for instance in an atomic.Pointer; readers go on using the
// one they loaded. [Snapshot.Closest] and [Snapshot.Next] take no lock and do
// not allocate.
//
//	hops := []routing.Hop[*Link]{{ID: id, Key: id.Key(), Value: link}}
//	s := routing.NewSnapshot(self.Key(), hops)
//	if i, ok := s.Next(target); ok {
//		s.At(i).Value.Send(frame)
//	}
//
// # Why greedy forwarding arrives
//
// Let u hold a frame for t, and let v be a peer of u in its bucket b. The XOR of
// v and t agrees with the XOR of u and t on the first b bits and differs at bit
// b. So v is strictly closer to t than u exactly when bit b of (u XOR t) is one;
// the bits below b do not matter. Two things follow:
//
//   - u is stuck for t exactly when none of its linked buckets lies at a one bit
//     of (u XOR t).
//   - A node with a link in each bucket that is not empty in the whole network is
//     never stuck: the first one bit of (u XOR t) is the bucket that t itself
//     is in. The shared prefix grows with every hop, so there is no loop, and a
//     frame needs at most as many hops as t has non-empty buckets.
//
// The tests of this package check both on whole small networks.
//
// # The search
//
// A snapshot of n hops is cut into 2^ceil(log2 n) cells by the leading bits of
// the Key. Each cell knows the run of hops in the nearest cell that has any (its
// own, if it can), so one array access leads to about one candidate. Whoever
// grinds IDs can stuff a cell; a run of more than 8 hops is therefore narrowed by
// descending bit by bit over the sorted hops first. The cost then grows with the
// number of bits at which the run branches and not with its length, and each
// further bit costs the one who grinds twice the work.
//
// # Purity
//
// Nothing here starts a goroutine, opens a socket, or draws randomness of its
// own. The clock is read only inside go-libp2p-kbucket, for time stamps that
// this package never looks at.
package routing
