package routing

import "time"

// slowShare is by how much of a faster link's RTT a slow one's is above it. Less
// than a third is not worth the change.
const slowShare = 3

// Slower returns the index of the link that one to key with that RTT should take
// the place of: of the redundant links in its bucket that may lets go, the one with
// the highest RTT, provided it is more than a third above. It returns -1 and false
// if there is none. An RTT of 0 is one that nobody has measured: such a link stays,
// and is no reason to give up another.
//
// Links that are changed for faster ones again and again come near what choosing
// the fastest of many candidates would have given (proximity neighbour selection).
//
// May is asked at most once about a link, in the order of links. Nil lets all go.
func (f *Filler) Slower(links []Place, key Key, rtt time.Duration, may func(i int) bool) (i int, ok bool) {
	i = -1
	if rtt == 0 {
		return i, false
	}
	bucket, near := f.Self.CommonPrefixLen(key), f.nearest(links)
	for j := range links {
		l := &links[j]
		switch {
		case f.bucket(l) != bucket || l.RTT-rtt <= rtt/slowShare || i >= 0 && l.RTT <= links[i].RTT:
		case near.holds(f, l.Key):
		case may == nil || may(j):
			i = j
		}
	}
	return i, i >= 0
}

// Fastest returns the lowest known RTT of the links in the bucket of key, 0 if
// there is none.
func (f *Filler) Fastest(links []Place, key Key) (least time.Duration) {
	bucket := f.Self.CommonPrefixLen(key)
	for i := range links {
		if rtt := links[i].RTT; rtt > 0 && (least == 0 || rtt < least) && f.bucket(&links[i]) == bucket {
			least = rtt
		}
	}
	return least
}
