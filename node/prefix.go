package node

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/peermesh/peermesh/transport/ws"
)

// belowPrefix is the path of a page below the prefix of a proxy that keeps it: the path
// of a public URL, or what a trusted proxy tells in X-Forwarded-Prefix. Of several the
// longest counts.
func (n *Node) belowPrefix(r *http.Request, path string) string {
	longest := ""
	prefixes := []string{n.handler.Prefix(r)}
	for _, public := range n.cfg.PublicURLs {
		if u, err := url.Parse(public); err == nil {
			prefixes = append(prefixes, strings.TrimSuffix(u.Path, "/"))
		}
	}
	for _, prefix := range prefixes {
		if len(prefix) > len(longest) && ws.Below(path, prefix) {
			longest = prefix
		}
	}
	if path = path[len(longest):]; path == "" {
		return "/"
	}
	return path
}

// publicLike is the public URL most like a URL: of the same host and at or above the
// same path, else of the same host, else the first. "": there are none.
func (n *Node) publicLike(at string) string {
	used, err := url.Parse(at)
	if err != nil {
		used = &url.URL{}
	}
	best, likest := "", -1
	for _, public := range n.cfg.PublicURLs {
		u, err := url.Parse(public)
		if err != nil {
			continue
		}
		like := 0
		if strings.EqualFold(u.Host, used.Host) {
			like = 1
			if prefix := strings.TrimSuffix(u.Path, "/"); ws.Below(used.Path, prefix) {
				like += 1 + len(prefix)
			}
		}
		if like > likest {
			best, likest = public, like
		}
	}
	return best
}
