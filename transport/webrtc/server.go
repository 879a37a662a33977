package webrtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/peermesh/peermesh/internal/secret"
)

// Server is a STUN or TURN server.
type Server struct {
	Relay          bool   // TURN: it relays
	Host           string // "host:port"
	User, Password string // TURN only
	Transport      ServerTransport
}

// ServerTransport is how a server is reached.
type ServerTransport string

// The transports. What a TURN server relays goes over UDP in any case.
const (
	OverUDP ServerTransport = "udp"
	OverTCP ServerTransport = "tcp"
	OverTLS ServerTransport = "tls" // over TCP
)

// Ports of servers whose text names none (RFC 8489 and 8656).
const (
	defaultServerPort = 3478
	defaultTLSPort    = 5349
)

// ParseServer reads "stun:host:port", "turn:user:password@host:port", which may have
// "?transport=udp" or "?transport=tcp" behind it, or "turns:user:password@host:port",
// which is TURN over TLS. A port that is left out is 3478, of turns 5349. In user and
// password "%3A" stands for ":", "%40" for "@" and "%25" for "%"; a password may hold the
// first two as they are.
func ParseServer(text string) (Server, error) {
	s, err := parseServer(text)
	if err != nil {
		return Server{}, fmt.Errorf("%w: want stun:host:port or turn:user:password@host:port", err)
	}
	return s, nil
}

func parseServer(text string) (Server, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	s := Server{Transport: OverUDP}
	port := defaultServerPort
	switch scheme {
	case "stun":
	case "turn", "turns":
		s.Relay = true
	default:
		return s, fmt.Errorf("%.20q is no kind of ICE server known here", secret.URL(scheme))
	}
	if strings.HasPrefix(rest, "//") {
		return s, fmt.Errorf("%s: has no // behind it", scheme)
	}
	var err error
	if s.Relay {
		if rest, err = s.login(rest); err != nil {
			return s, err
		}
		var query string
		rest, query, _ = strings.Cut(rest, "?")
		if s.Transport, err = transportOf(scheme, query); err != nil {
			return s, err
		}
		if s.Transport == OverTLS {
			port = defaultTLSPort
		}
	}
	s.Host, err = hostPort(rest, port)
	return s, err
}

// login takes user and password off a text, and returns what is behind them.
func (s *Server) login(text string) (rest string, err error) {
	login, rest, ok := cutLast(text, "@")
	user, password, both := strings.Cut(login, ":")
	if !ok || !both || user == "" || password == "" {
		return "", errors.New("a TURN server needs a user and a password")
	}
	if madeOf(user, "0123456789") && strings.Contains(password, ":") {
		// Credentials that end at a time are of a user "1796099645:alice".
		return "", fmt.Errorf("of %s:...:... it is not clear what the user is: write a \":\" that belongs to it as %%3A", user)
	}
	if s.User, err = unescape(user); err == nil {
		s.Password, err = unescape(password)
	}
	return rest, err
}

// unescape reads "%40" and the like. Its error does not tell the text, which may be a
// password.
func unescape(text string) (string, error) {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return "", errors.New("a % in the user or password of a TURN server begins %25, %3A, %40 and the like")
	}
	if strings.ContainsFunc(plain, unicode.IsControl) {
		return "", errors.New("the user or password of a TURN server has a control character in it")
	}
	return plain, nil
}

// transportOf reads what stands behind the "?".
func transportOf(scheme, query string) (ServerTransport, error) {
	switch {
	case scheme == "turns" && (query == "" || query == "transport=tcp"):
		return OverTLS, nil
	case scheme == "turns":
		return "", errors.New("turns is reached over TLS alone, with ?transport=tcp or without")
	case query == "" || query == "transport=udp":
		return OverUDP, nil
	case query == "transport=tcp":
		return OverTCP, nil
	}
	return "", errors.New("a TURN server is reached with ?transport=udp, ?transport=tcp or without either")
}

// hostPort adds the port when there is none.
func hostPort(text string, otherwise int) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), strconv.Itoa(otherwise)
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
