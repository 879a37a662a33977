package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wholefile"
	"github.com/peermesh/peermesh/internal/wire"
	"github.com/peermesh/peermesh/routing"
)

// The file of known peers is text: a line with its name and version, a line of
// JSON for each peer, and at its end the SHA-256 of all before, in hex:
//
//	peermesh peers 1
//	{"id":"3f9a…","linked":1767225600,"scopes":["public"],"urls":["ws://192.0.2.7:8080"],"record":"AQE…"}
//	sha256 9b1f…
const (
	knownPeersHead = "peermesh peers 1\n"
	knownPeersSum  = "sha256 "
)

// knownLine is a peer in the file.
type knownLine struct {
	ID     routing.ID `json:"id"`
	Linked int64      `json:"linked"` // Unix seconds
	Scopes []string   `json:"scopes"` // that the URLs may lead to
	URLs   []string   `json:"urls"`
	Record []byte     `json:"record,omitempty"` // the signed contact record, which may have expired
}

var scopeNames = []struct {
	scope engine.Scopes
	name  string
}{
	{engine.ScopePublic, "public"}, {engine.ScopePrivate, "private"},
	{engine.ScopeLoopback, "loopback"}, {engine.ScopeLinkLocal, "link-local"},
}

// formatKnownPeers leaves out whom the file has no room for.
func formatKnownPeers(peers []knownPeer) ([]byte, error) {
	const end = len(knownPeersSum) + 2*sha256.Size + 1
	b := []byte(knownPeersHead)
	for _, p := range peers {
		line := knownLine{ID: p.ID, Linked: p.linked.Unix(), URLs: p.URLs, Record: p.Record}
		for _, s := range scopeNames {
			if p.Scopes&s.scope != 0 {
				line.Scopes = append(line.Scopes, s.name)
			}
		}
		text, err := json.Marshal(line)
		if err != nil {
			return nil, err
		}
		if len(b)+len(text)+1+end > limits.KnownPeersBytes {
			break
		}
		b = append(append(b, text...), '\n')
	}
	return fmt.Appendf(b, "%s%x\n", knownPeersSum, sha256.Sum256(b)), nil
}

// errKnownPeers is what is wrong with a file of known peers.
var errKnownPeers = errors.New("damaged, or another program's")

// parseKnownPeers refuses a file that is not whole. Lines that are of no use
// are skipped.
func parseKnownPeers(b []byte, now time.Time) ([]knownPeer, error) {
	if len(b) > limits.KnownPeersBytes {
		return nil, fmt.Errorf("larger than %d bytes: %w", limits.KnownPeersBytes, errKnownPeers)
	}
	at := bytes.LastIndex(b, []byte("\n"+knownPeersSum)) + 1
	if at == 0 || !bytes.HasPrefix(b, []byte(knownPeersHead)) {
		return nil, fmt.Errorf("not a whole file of version 1: %w", errKnownPeers)
	}
	sum := sha256.Sum256(b[:at])
	if string(b[at:]) != knownPeersSum+hex.EncodeToString(sum[:])+"\n" {
		return nil, fmt.Errorf("its checksum is wrong: %w", errKnownPeers)
	}
	var peers []knownPeer
	seen := make(map[routing.ID]bool)
	for line := range bytes.Lines(b[len(knownPeersHead):at]) {
		p, ok := parseKnownLine(line, now)
		if ok && !seen[p.ID] && len(peers) < limits.KnownPeers {
			seen[p.ID] = true
			peers = append(peers, p)
		}
	}
	return peers, nil
}

func parseKnownLine(text []byte, now time.Time) (knownPeer, bool) {
	var line knownLine
	if json.Unmarshal(text, &line) != nil || line.ID.IsZero() {
		return knownPeer{}, false
	}
	p := knownPeer{Contact: engine.Contact{ID: line.ID}, linked: time.Unix(line.Linked, 0)}
	if p.linked.After(now) { // the clock was set back
		p.linked = now
	}
	for _, s := range scopeNames {
		if slices.Contains(line.Scopes, s.name) {
			p.Scopes |= s.scope
		}
	}
	for _, raw := range line.URLs[:min(len(line.URLs), limits.ContactURLs)] {
		if u, err := url.Parse(raw); err == nil && u.Host != "" && len(raw) <= limits.ContactURLBytes {
			p.URLs = append(p.URLs, raw)
		}
	}
	if recordHolds(line.Record, line.ID, now) {
		p.Record = line.Record
	}
	return p, p.Scopes != 0 && len(p.URLs) > 0
}

// recordHolds says whether a contact record can be shown to others. One that has
// expired cannot, but what it said still leads to the peer, whose ID is checked.
func recordHolds(record []byte, id routing.ID, now time.Time) bool {
	r, signer, err := identity.VerifyRecord(record, now)
	return err == nil && r.Kind == wire.RecordContact && routing.ID(signer) == id
}

// readKnownPeers reads a regular file. The error is fs.ErrNotExist if there is none.
func readKnownPeers(path string, now time.Time) ([]knownPeer, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file: %w", path, errKnownPeers)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limits.KnownPeersBytes+1))
	if err != nil {
		return nil, err
	}
	return parseKnownPeers(b, now)
}

// writeKnownPeers replaces the file at once: a reader, or a crash, meets the old
// or the new one.
func writeKnownPeers(path string, peers []knownPeer) error {
	b, err := formatKnownPeers(peers)
	if err != nil {
		return err
	}
	return wholefile.Write(path, b)
}
