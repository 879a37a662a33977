//go:build !nowebrtc

package webrtc

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/peermesh/peermesh/internal/limits"
)

// description is an offer or answer without its candidates.
type description struct {
	text       string
	candidates []string // as in the text, "candidate:..."; limits.Candidates at most
	shaken     bool     // it tells all of SCTP's handshake
}

// parseDescription checks an offer or answer of a peer: of bounded size, for
// one data channel association and nothing else. An error is an
// ErrDescription.
func parseDescription(text string) (description, error) {
	d, err := splitDescription(text)
	if err != nil {
		return description{}, fmt.Errorf("%w: %w", ErrDescription, err)
	}
	return d, nil
}

func splitDescription(text string) (d description, err error) {
	if len(text) > limits.SDPBytes {
		return d, fmt.Errorf("%d bytes, at most %d are taken", len(text), limits.SDPBytes)
	}
	var s sdp.SessionDescription
	if err := s.UnmarshalString(text); err != nil {
		return d, err
	}
	if len(s.MediaDescriptions) != 1 || s.MediaDescriptions[0].MediaName.Media != "application" {
		return d, fmt.Errorf("%d media, want one, for data channels", len(s.MediaDescriptions))
	}
	media := s.MediaDescriptions[0]
	if err := checkMessageSize(media); err != nil {
		return d, err
	}
	d.shaken = tellsInit(media)
	var inSession, inMedia []string
	s.Attributes, inSession = cutCandidates(s.Attributes)
	media.Attributes, inMedia = cutCandidates(media.Attributes)
	d.candidates = append(inSession, inMedia...)
	if len(d.candidates) > limits.Candidates {
		return d, fmt.Errorf("%d candidates, at most %d are taken", len(d.candidates), limits.Candidates)
	}
	bare, err := s.Marshal()
	d.text = string(bare)
	return d, err
}

// checkMessageSize refuses a peer that takes no messages of Max bytes (RFC
// 8841, section 6; 0 and no value are none that matters here).
func checkMessageSize(media *sdp.MediaDescription) error {
	value, ok := media.Attribute("max-message-size")
	if !ok {
		return nil
	}
	if n, err := strconv.ParseUint(value, 10, 64); err != nil || n != 0 && n < maxMessage {
		return fmt.Errorf("messages of %.20q bytes, want %d", value, maxMessage)
	}
	return nil
}

// tellsInit says whether the library will take SCTP's handshake from the
// description: it looks at the first sctp-init alone.
func tellsInit(media *sdp.MediaDescription) bool {
	for _, a := range media.Attributes {
		if strings.TrimSpace(a.Key) == "sctp-init" {
			init, err := base64.StdEncoding.DecodeString(a.Value)
			return err == nil && len(init) > 0
		}
	}
	return false
}

// cutCandidates returns the attributes that are no candidates, and those that
// are.
func cutCandidates(attributes []sdp.Attribute) (rest []sdp.Attribute, candidates []string) {
	for _, a := range attributes {
		switch a.Key {
		case "candidate":
			candidates = append(candidates, "candidate:"+a.Value)
		case "end-of-candidates", "remote-candidates":
		default:
			rest = append(rest, a)
		}
	}
	return rest, candidates
}

// joinDescription adds candidates to an own offer or answer, which has but one
// medium.
func joinDescription(bare string, candidates []string, complete bool) string {
	var b strings.Builder
	b.WriteString(bare)
	for _, line := range candidates {
		b.WriteString("a=" + line + "\r\n")
	}
	if complete {
		b.WriteString("a=end-of-candidates\r\n")
	}
	return b.String()
}
