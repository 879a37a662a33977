package link

// foreteller is a carrier that can tell when its reader is about to wait: it
// calls f then, once, on the goroutine that receives. f must neither block nor
// use the carrier. False: not this one, and f is never called.
type foreteller interface{ BeforeWait(f func()) bool }

// Defer has f called on the reader goroutine once no more has arrived, before it
// waits for the peer. f is called at most once, and not if the link ends first;
// all it may do to links is [Link.Rouse]. False: the carrier cannot tell, and f is
// never called. From HandleBatch only.
func (l *Link) Defer(f func()) bool {
	c, ok := l.Carrier.(foreteller)
	return ok && c.BeforeWait(f)
}
