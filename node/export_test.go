package node

// Lose makes a node, which has no link yet, lose that share of the Data frames
// that its links bring, in parts of 10,000. lost tells how many it has.
func Lose(n *Node, share uint32) (lost func() uint64) {
	x := new(lossy)
	x.on(n)
	x.share.Store(share)
	return x.lost.Load
}
