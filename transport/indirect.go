package transport

// Indirect is implemented by a Conn whose RemoteAddr may not be where its peer
// is: a page in a browser runs a site's program at the address of whoever opened
// it, and a proxy puts its own address in the place of all its clients'.
type Indirect interface {
	// Indirect says that the address proves nothing.
	Indirect() bool
}

// IsIndirect says whether the address of a Conn proves nothing about its peer.
func IsIndirect(c Conn) bool {
	i, ok := c.(Indirect)
	return ok && i.Indirect()
}
