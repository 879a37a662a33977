package webrtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Setup describes one attempt.
type Setup struct {
	// Servers tell this end how it is seen from outside, or relay for it, as
	// ParseServer takes them. They are asked in parallel.
	Servers []string

	// Tell says which of the own addresses the peer may be told, and Take
	// which of the peer's may be tried; nil: all but loopback and link-local
	// ones. They are called by several goroutines, with addresses unmapped
	// and without a zone. What Take refuses and is private is tried all the
	// same if it is of a network that this machine is in, or once it shows
	// that both ends are behind one NAT.
	Tell func(netip.Addr) bool
	Take func(netip.Addr) bool
}

// Server is a STUN or TURN server.
type Server struct {
	Relay          bool   // TURN: it relays
	Host           string // "host:port"
	User, Password string // TURN only
}

// Ports of servers whose text names none (RFC 8489 and 8656).
const defaultServerPort = 3478

// ParseServer reads "stun:host:port" or "turn:user:password@host:port", the
// latter also with "?transport=udp" behind it, which is the only one there is.
// A port that is left out is 3478.
func ParseServer(text string) (Server, error) {
	s, err := parseServer(text)
	if err != nil {
		return Server{}, fmt.Errorf("%w: want stun:host:port or turn:user:password@host:port", err)
	}
	return s, nil
}

func parseServer(text string) (Server, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	var s Server
	switch scheme {
	case "stun":
	case "turn":
		s.Relay = true
		login, host, ok := cutLast(rest, "@")
		user, password, both := strings.Cut(login, ":")
		if !ok || !both || user == "" || password == "" {
			return s, errors.New("a TURN server needs a user and a password")
		}
		s.User, s.Password = user, password
		var query string
		if rest, query, ok = strings.Cut(host, "?"); ok && query != "transport=udp" {
			return s, errors.New("a TURN server is reached over UDP alone, as ?transport=udp says: TCP and TLS are not supported")
		}
	default:
		return s, fmt.Errorf("%.20q is no kind of ICE server known here", scheme)
	}
	var err error
	s.Host, err = hostPort(rest)
	return s, err
}

// MaskServer is a server's text, right or wrong, without its password.
func MaskServer(text string) string {
	login, host, ok := cutLast(text, "@")
	scheme, rest, _ := strings.Cut(login, ":")
	user, _, both := strings.Cut(rest, ":")
	if !ok || !both {
		return text
	}
	return scheme + ":" + user + ":***@" + host
}

// hostPort adds the port when there is none.
func hostPort(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), strconv.Itoa(defaultServerPort)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("the port of an ICE server is a number from 1 to 65535")
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostName(host) {
		return "", errors.New("the host of an ICE server is a name or an IP address")
	}
	return net.JoinHostPort(host, port), nil
}

// hostName reports whether a name is made of letters, digits, hyphens, dots
// and underscores.
func hostName(name string) bool {
	const marks = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
	return name != "" && len(name) < 256 && madeOf(name, marks)
}

// madeOf reports whether text has no other characters than those.
func madeOf(text, those string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(those, r) }) < 0
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}
