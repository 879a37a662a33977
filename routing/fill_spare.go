package routing

import (
	"cmp"
	"time"
)

// Spare returns the index of the link that is missed least: of the redundant ones
// that may lets go, from the bucket with the most links (the deepest of those), the
// one nearest to another link in the bucket. Of two that are equally near the one
// with the higher RTT goes, an unknown one before all, and then the one farther
// from Self. It returns -1 and false if there is none.
//
// May is asked at most once about a link, only about redundant ones, and in the
// order of links. Nil lets all go.
func (f *Filler) Spare(links []Place, may func(i int) bool) (i int, ok bool) {
	linked, near := f.tally(links), f.nearest(links)
	var free []int
	fullest := -1
	for i := range links {
		b := f.bucket(&links[i])
		if linked[b] < 2 || near.holds(f, links[i].Key) || may != nil && !may(i) {
			continue
		}
		free = append(free, i)
		if fullest < 0 || cmp.Or(cmp.Compare(linked[b], linked[fullest]), cmp.Compare(b, fullest)) > 0 {
			fullest = b
		}
	}
	return f.leastDiverse(links, free, fullest)
}

// leastDiverse chooses among the links with the indexes free that lie in bucket,
// which holds two or more.
func (f *Filler) leastDiverse(links []Place, free []int, bucket int) (i int, ok bool) {
	var mates []Key
	for i := range links {
		if f.bucket(&links[i]) == bucket {
			mates = append(mates, links[i].Key)
		}
	}
	best, least := -1, loss{}
	for _, i := range free {
		if f.bucket(&links[i]) != bucket {
			continue
		}
		key := links[i].Key
		l := loss{key.Xor(nearestBut(key, mates)), links[i].RTT, key.Xor(f.Self)}
		if best < 0 || l.compare(&least) < 0 {
			best, least = i, l
		}
	}
	return best, best >= 0
}

// loss is what a bucket would lose with a link.
type loss struct {
	apart Key // distance to the nearest other link in the bucket
	rtt   time.Duration
	from  Key // distance from Self
}

// compare is negative if l is the smaller loss.
func (l *loss) compare(other *loss) int {
	return cmp.Or(
		l.apart.compare(&other.apart),
		compareRTT(other.rtt, l.rtt),
		other.from.compare(&l.from),
	)
}
