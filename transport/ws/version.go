package ws

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/peermesh/peermesh/internal/ws"
	"github.com/peermesh/peermesh/transport"
)

// Subprotocol is what both ends must offer and accept. Its number is that of
// the wire protocol (docs/protocol.md, section 2).
const Subprotocol = "peermesh.2"

// subprotocolFamily begins the name of every version.
const subprotocolFamily = "peermesh."

// aVersion finds the name of a version in what a peer says.
var aVersion = regexp.MustCompile(`\bpeermesh\.[0-9]{1,9}\b`)

// noVersion stands for that of a peer that does not say which it speaks.
const noVersion = "another version"

// refusal is the close frame's reason for those who offer only other versions.
// Nodes of version 1 begin theirs alike.
const refusal = "this node speaks " + Subprotocol

// offered returns the versions that a request offers, as one text.
func offered(r *http.Request) string {
	all := aVersion.FindAllString(strings.ToLower(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ",")), 8)
	if len(all) == 0 {
		return noVersion
	}
	return strings.Join(all, " or ")
}

// explainVersion finds in the error of a dial that the server speaks another
// version, by what its close frame says.
func explainVersion(err error) error {
	var dial *transport.DialError
	var none *ws.SubprotocolError
	if !errors.As(err, &dial) || !errors.As(err, &none) {
		return err
	}
	if theirs := aVersion.FindString(none.Said); theirs != "" {
		return &transport.DialError{URL: dial.URL, Stage: dial.Stage, Err: &transport.VersionError{Ours: Subprotocol, Theirs: theirs}}
	}
	return err
}
