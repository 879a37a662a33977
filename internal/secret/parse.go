package secret

import (
	"errors"
	"net/url"
	"strings"
)

// Why a text is no URL. None quotes the text: a parser's error names what it stumbled
// over, which may be a piece of a password.
var (
	ErrZone   = errors.New("a zone in a URL is written %25: [fe80::1%25eth0]")
	ErrEscape = errors.New("a % that begins no escape: write it as %25")
	ErrPort   = errors.New("the port is no number from 1 to 65535; a sign of a user or password other than letters and digits is written as its escape, such as %40 for @")
	ErrHost   = errors.New("the host is no name and no address; IPv6 addresses stand in brackets")
	ErrURL    = errors.New("this is no URL; write ws://host:port")
)

// Parse is url.Parse with errors that tell nothing of the text.
func (u URL) Parse() (*url.URL, error) {
	if badZone(string(u)) {
		return nil, ErrZone
	}
	parsed, err := url.Parse(string(u))
	if err == nil {
		return parsed, nil
	}
	var escape url.EscapeError
	var host url.InvalidHostError
	switch {
	case errors.As(err, &escape):
		return nil, ErrEscape
	case errors.As(err, &host):
		return nil, ErrHost
	case strings.Contains(err.Error(), "invalid port"):
		return nil, ErrPort
	case strings.Contains(err.Error(), "]' in host"):
		return nil, ErrHost
	}
	return nil, ErrURL
}

// badZone reports whether the host is an IPv6 address with a zone behind a bare %.
func badZone(text string) bool {
	_, host, ok := strings.Cut(text, "[")
	if !ok {
		return false
	}
	host, _, ok = strings.Cut(host, "]")
	address, zone, hasZone := strings.Cut(host, "%")
	return ok && hasZone && strings.Trim(address, "0123456789abcdefABCDEF:.") == "" && !strings.HasPrefix(zone, "25")
}
