package secret

import (
	"regexp"
	"strings"
)

// within finds what may be a URL or an ICE server in a text: up to the next blank or
// quote.
var within = regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9+.-]*://|(?:wss?|https?|stuns?|turns?|socks[45]?h?):)[^\s"'<>]+`)

// Text masks the URLs and ICE servers within a text. It is for texts that others
// wrote, such as a library's errors: what a program holds as a [URL] masks itself,
// and a password with a blank in it is found there alone.
func Text(text string) string {
	return within.ReplaceAllStringFunc(text, func(found string) string {
		url := strings.TrimRight(found, ".,:;!?)]}") // the sentence goes on
		return mask(url) + found[len(url):]
	})
}
