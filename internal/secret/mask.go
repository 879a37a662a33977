package secret

import (
	"net/url"
	"regexp"
	"strings"
)

// stars stand in the place of what is secret.
const stars = "***"

// maxName is the longest user name that is shown: a longer one may be a token.
const maxName = 24

// mask returns text, right or wrong, without what is secret. What cannot be told
// from a secret is one.
func mask(text string) string {
	scheme, rest := cutScheme(text)
	switch {
	case isICE(scheme) && !strings.HasPrefix(rest, "//"):
		return scheme + maskICE(rest)
	case scheme == "" && !strings.Contains(rest, "@"):
		return maskTail(rest) // no URL: a host, or nothing
	}
	slashes := rest[:len(rest)-len(strings.TrimLeft(rest, "/"))]
	rest = rest[len(slashes):]
	login, host := cutLogin(text, rest)
	if login != "" || strings.HasPrefix(host, "@") {
		return scheme + slashes + maskLogin(login) + host[:1] + maskHost(host[1:])
	}
	return scheme + slashes + maskHost(host)
}

// schemePart is a scheme and its colon: of those known also without slashes.
var schemePart = regexp.MustCompile(`(?i)^\s*(?:[a-z][a-z0-9+.-]*:(?:/|$)|(?:wss?|https?|stuns?|turns?|socks[45]?h?):)`)

func cutScheme(text string) (scheme, rest string) {
	scheme = schemePart.FindString(text)
	scheme = strings.TrimSuffix(scheme, "/")
	return scheme, text[len(scheme):]
}

func isICE(scheme string) bool {
	switch strings.ToLower(strings.TrimSpace(scheme)) {
	case "stun:", "stuns:", "turn:", "turns:":
		return true
	}
	return false
}

// cutLogin splits what stands behind the slashes before the @ that ends the user
// info; host begins with that @. In a URL that is right it is the last one of the
// authority. Where a later part has one too, a password may hold a sign that should
// have been encoded, and the last @ of all counts.
func cutLogin(text, rest string) (login, host string) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndex(rest, "@")
	if _, err := url.Parse(text); err == nil && at >= end && onlyInValues(rest[end:]) {
		at = strings.LastIndex(rest[:end], "@")
	}
	if at < 0 {
		return "", rest
	}
	return rest[:at], rest[at:]
}

// onlyInValues reports whether each @ of a path and what follows is in a value of
// the query.
func onlyInValues(tail string) bool {
	path, query, _ := strings.Cut(tail, "?")
	query, fragment, _ := strings.Cut(query, "#")
	if strings.Contains(path+fragment, "@") {
		return false
	}
	for pair := range strings.SplitSeq(query, "&") {
		if key, _, both := strings.Cut(pair, "="); strings.Contains(key, "@") || !both && strings.Contains(pair, "@") {
			return false
		}
	}
	return true
}

// maskLogin shows the name of a user who has a password. A name alone is a token;
// so is one with a password that says nothing, or a long one.
func maskLogin(login string) string {
	user, password, both := strings.Cut(login, ":")
	switch {
	case login == "user:password" || login == "USER:PASSWORD": // it tells how to write it
		return login
	case !both || user == "" || len(user) > maxName, password == "", password == "x", password == "x-oauth-basic":
		return stars
	case strings.ContainsAny(user, "/?#"):
		return stars
	}
	return user + ":" + stars
}

// maskHost masks what follows the user info: the port if it is no number, the query
// and the fragment.
func maskHost(host string) string {
	end := strings.IndexAny(host, "/?#")
	if end < 0 {
		end = len(host)
	}
	return maskPort(host[:end]) + maskTail(host[end:])
}

// maskPort masks what stands in the place of a port and is no number: it may be a
// password whose host was forgotten.
func maskPort(authority string) string {
	start := strings.LastIndex(authority, "]") + 1 // of an IPv6 address
	name, port, _ := strings.Cut(authority[start:], ":")
	if isNumber(port) || port == "port" { // the latter tells how to write it
		return authority
	}
	return authority[:start] + name + ":" + stars
}

func isNumber(text string) bool {
	return len(text) < 7 && strings.Trim(text, "0123456789") == ""
}

// maskTail masks the query and the fragment of a path.
func maskTail(tail string) string {
	rest, fragment, hasFragment := strings.Cut(tail, "#")
	path, query, hasQuery := strings.Cut(rest, "?")
	if hasQuery {
		path += "?" + maskQuery(query)
	}
	if hasFragment {
		path += "#" + maskFragment(fragment)
	}
	return path
}

// maskQuery shows the keys of a query, and of the values that of "transport" alone.
func maskQuery(query string) string {
	if query == "" {
		return ""
	}
	pairs := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
	for i, pair := range pairs {
		key, value, both := strings.Cut(pair, "=")
		switch {
		case key == "transport" && len(value) < 4:
		case both && value == "":
		case both && len(key) <= maxName && !strings.ContainsAny(key, "@:/"):
			pairs[i] = key + "=" + stars
		default:
			pairs[i] = stars
		}
	}
	return strings.Join(pairs, "&")
}

// maxFragment is the length of an ID, the one fragment that means something.
const maxFragment = 40

// maskFragment shows a fragment that can be an ID, right or mistyped.
func maskFragment(fragment string) string {
	if id := strings.TrimSpace(fragment); len(id) <= maxFragment+2 && strings.Trim(id, "0123456789abcdefABCDEF") == "" {
		return fragment
	}
	return stars
}

// maskICE masks what follows the scheme of an ICE server: user:password@host:port,
// right or wrong.
func maskICE(rest string) string {
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		return maskLogin(rest[:at]) + "@" + maskHost(rest[at+1:])
	}
	return maskHost(rest)
}
