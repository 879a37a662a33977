package routing

import "errors"

// MaxTableCapacity is the largest capacity of a [Table], in peers. It is a guard
// against mistyped options: far more links than one process serves well, and few
// enough that one [Table.Nearest], which takes 40 bytes per peer of capacity and
// about as much again per peer held, stays below 5 MiB.
const MaxTableCapacity = 65536

// What a [Table] refuses.
var (
	// ErrTableFull means that the table holds as many peers as its capacity
	// allows. Nobody is displaced to make room.
	ErrTableFull = errors.New("routing table is full")
	// ErrSelf means that a node was to be added to its own table.
	ErrSelf = errors.New("a node is not its own peer")
	// ErrZeroID means the zero ID, which names nobody.
	ErrZeroID = errors.New("the zero ID names nobody")
	// ErrCapacity means a capacity outside 1 to [MaxTableCapacity].
	ErrCapacity = errors.New("table capacity out of range")
)

// Table is the record of the peers that a node is linked to, by bucket.
//
// Its methods may be called from any goroutine. Peers that are in the table stay
// until they are removed: a newcomer never displaces one, so that strangers
// cannot flush proven links. Who may come in is for the caller to decide.
type Table interface {
	// Add puts a peer in. Adding a peer that is there already changes nothing and
	// succeeds, full or not. The errors are ErrTableFull, ErrSelf and ErrZeroID.
	Add(id ID) error
	// Remove takes a peer out and tells whether it was there.
	Remove(id ID) bool
	// Contains tells whether a peer is in the table.
	Contains(id ID) bool
	// Nearest returns the n peers nearest to target, or all if there are fewer,
	// in ascending order of distance. The caller owns the result.
	Nearest(target Key, n int) []ID
	// BucketLen returns how many peers share exactly cpl leading bits of their Key
	// with the node's own. It is 0 for a cpl outside 0 to 255.
	BucketLen(cpl int) int
	// Len returns how many peers the table holds.
	Len() int
}
