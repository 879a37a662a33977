package engine

import (
	"strings"

	"github.com/peermesh/peermesh/internal/limits"
)

// Learnt returns what is left of a URL that somebody told of, for whoever dials
// it sends a request to a place of the teller's choice. The query and the
// fragment go: no node needs them, and much else acts on them. ok is false for
// one that is of no use then: with a user in it, or a path that is longer than
// limits.LearntPath or holds more than letters, digits and plain marks.
func Learnt(url string) (clean string, ok bool) {
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url, !strings.ContainsAny(url, "@/") // of another carrier's making
	}
	host, path, _ := strings.Cut(rest, "/")
	return url, !strings.Contains(host, "@") && len(path) < limits.LearntPath && !strings.ContainsFunc(path, isOddInPath)
}

// isOddInPath says so of what is not among RFC 3986's unreserved characters and
// the slash. Others a server may read as something else than what was sent.
func isOddInPath(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~/", c)
}

// addresses are the URLs that lead somewhere by themselves, as far as they are of
// use. What a record says of WebRTC by a URL is no other node's affair and is left
// out.
func addresses(urls []string) []string {
	clean := make([]string, 0, len(urls))
	for _, url := range urls {
		if url, ok := Learnt(url); ok && !isWebRTC(url) {
			clean = append(clean, url)
		}
	}
	return clean
}
