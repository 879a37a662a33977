package node

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/peermesh/peermesh/internal/limits"
)

// linkAsk is what nodes say to each other on connectPort to get a link:
//
//	version u8 = 1 · kind u8 · count u8 ≤ 8 · {length u16 in 1..256, URL}*
//
// Bytes behind that are of a later version and are ignored.
type linkAsk struct {
	kind linkAskKind
	urls []string
}

type linkAskKind uint8

const (
	askLink     linkAskKind = 1 // request: a link, please; the asker's URLs
	askLinkBack linkAskKind = 2 // request: the same, and your URLs lead nowhere from here
	dialMe      linkAskKind = 3 // answer: the URLs of who answers
	isLinked    linkAskKind = 4 // answer: the link is up
	noWay       linkAskKind = 5 // answer: there is no URL that leads from one to the other
)

const linkAskVersion = 1

var errLinkAsk = errors.New("malformed question or answer about a link")

// appendLinkAsk leaves out the URLs beyond the bounds.
func appendLinkAsk(b []byte, a linkAsk) []byte {
	at := len(b) + 2
	b = append(b, linkAskVersion, byte(a.kind), 0)
	for _, u := range a.urls {
		if len(u) == 0 || len(u) > limits.ContactURLBytes || b[at] == limits.ContactURLs {
			continue
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(u))), u...)
		b[at]++
	}
	return b
}

func parseLinkAsk(b []byte) (a linkAsk, err error) {
	if len(b) < 3 || b[0] != linkAskVersion || b[2] > limits.ContactURLs {
		return linkAsk{}, errLinkAsk
	}
	a.kind = linkAskKind(b[1])
	count := int(b[2])
	b = b[3:]
	for range count {
		if len(b) < 2 {
			return linkAsk{}, errLinkAsk
		}
		size := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		if size == 0 || size > limits.ContactURLBytes || size > len(b) || !utf8.Valid(b[:size]) {
			return linkAsk{}, errLinkAsk
		}
		a.urls, b = append(a.urls, string(b[:size])), b[size:]
	}
	return a, nil
}
