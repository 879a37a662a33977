package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/peermesh/peermesh/node"
	"github.com/peermesh/peermesh/routing"
)

// jsonVersion is the "v" of every object printed. It changes when a field
// changes its meaning or goes; new fields may come at any time.
const jsonVersion = 1

// The objects that --json prints, one on each line.
type (
	readyLine struct {
		V     int        `json:"v"`
		Event string     `json:"event"` // "ready"
		ID    routing.ID `json:"id"`
		URLs  []string   `json:"urls"`
		Admin string     `json:"admin,omitempty"` // URL of the admin page
	}
	peersLine struct {
		V          int                  `json:"v"`
		ID         routing.ID           `json:"id"` // of the node whose peers they are
		Peers      []node.PeerInfo      `json:"peers"`
		Bootstraps []node.BootstrapInfo `json:"bootstraps"`
	}
	topLine struct {
		V         int                `json:"v"`
		ID        routing.ID         `json:"id"`
		Seconds   float64            `json:"seconds"` // that the rates are of
		Links     int                `json:"links"`
		Forwarded float64            `json:"forwardedPerSecond"` // frames
		Delivered float64            `json:"deliveredPerSecond"`
		RxBytes   float64            `json:"rxBytesPerSecond"`
		TxBytes   float64            `json:"txBytesPerSecond"`
		Drops     map[string]float64 `json:"dropsPerSecond"` // by reason
		Peers     []topPeer          `json:"peers"`          // the busiest first
	}
	topPeer struct {
		ID        routing.ID `json:"id"`
		RxBytes   float64    `json:"rxBytesPerSecond"`
		TxBytes   float64    `json:"txBytesPerSecond"`
		QueueFill float64    `json:"queueFill"`
	}
	idLine struct {
		V     int        `json:"v"`
		Event string     `json:"event,omitempty"` // "ready", or left out by the command id
		ID    routing.ID `json:"id"`
	}
	eventLine struct {
		V int `json:"v"`
		node.Event
	}
	messageLine struct {
		V       int        `json:"v"`
		Event   string     `json:"event"` // "message"
		From    routing.ID `json:"from"`
		Hops    int        `json:"hops"`
		Request bool       `json:"request,omitempty"` // the sender waits for an answer
		payload
	}
	sentLine struct {
		V     int        `json:"v"`
		Event string     `json:"event"` // "sent": acknowledged
		To    routing.ID `json:"to"`
		Bytes int        `json:"bytes"`
	}
	answerLine struct {
		V     int        `json:"v"`
		Event string     `json:"event"` // "answer"
		From  routing.ID `json:"from"`
		payload
	}
	pongLine struct {
		V      int        `json:"v"`
		Seq    int        `json:"seq"`
		RTTMs  float64    `json:"rttMs"`
		Hops   int        `json:"hops"`
		Via    routing.ID `json:"via"`
		Direct bool       `json:"direct"`
	}
	lostLine struct {
		V      int    `json:"v"`
		Seq    int    `json:"seq"`
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	errorLine struct {
		V      int      `json:"v"`
		Event  string   `json:"event"` // "error": the command ends with Code
		Error  string   `json:"error"`
		Reason string   `json:"reason"` // in a word, see docs/operating.md
		Code   int      `json:"code"`
		Hints  []string `json:"hints,omitempty"`
	}
	lookupLine struct {
		V       int          `json:"v"`
		Key     string       `json:"key"`     // 64 hex digits
		Nearest []routing.ID `json:"nearest"` // the nearest first
	}
	hopLine struct {
		V           int        `json:"v"`
		Hop         int        `json:"hop"` // from 1
		ID          routing.ID `json:"id"`
		Transport   string     `json:"transport"` // of the link that leads there
		RTTMs       float64    `json:"rttMs"`
		ShareMs     float64    `json:"shareMs"` // what this hop added
		QueuedBytes int        `json:"queuedBytes"`
	}
	silentLine struct {
		V      int    `json:"v"`
		Hop    int    `json:"hop"`
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	benchLine struct {
		V              int                `json:"v"`
		Mode           string             `json:"mode"`
		To             routing.ID         `json:"to"`
		Bytes          int                `json:"bytes"` // of each message
		Clients        int                `json:"clients"`
		Seconds        float64            `json:"seconds"`
		Done           uint64             `json:"done"`
		Counted        string             `json:"counted"` // what done counts
		Failed         map[string]uint64  `json:"failed"`  // by cause
		MsgsPerSecond  float64            `json:"msgsPerSecond"`
		BytesPerSecond float64            `json:"bytesPerSecond"`
		LatencyMs      map[string]float64 `json:"latencyMs,omitempty"` // none of datagrams
		Histogram      []bucketLine       `json:"histogram,omitempty"`
		Arrived        *uint64            `json:"arrived,omitempty"`     // datagrams, as the target told
		TargetDrops    map[string]uint64  `json:"targetDrops,omitempty"` // by the target meanwhile, by reason
	}
	bucketLine struct {
		UpToMs float64 `json:"upToMs"`
		Count  uint64  `json:"count"`
	}
	settingLine struct {
		V      int    `json:"v"`
		Key    string `json:"key"`
		Value  any    `json:"value"` // null: not set
		Origin origin `json:"origin"`
		Detail string `json:"detail,omitempty"` // the variable of the environment, or file:line
	}
	versionLine struct {
		V       int    `json:"v"`
		Version string `json:"version"`
		Go      string `json:"go"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
		Commit  string `json:"commit,omitempty"`
	}
)

// payload is data in JSON: always in base64, and as text where it is text.
type payload struct {
	Data []byte  `json:"data"`
	Text *string `json:"text,omitempty"`
}

func newPayload(data []byte) payload {
	p := payload{Data: append([]byte{}, data...)} // never null
	if utf8.Valid(data) {
		text := string(data)
		p.Text = &text
	}
	return p
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// oneLine shows data that somebody else wrote on one line of a terminal: text
// as it is, anything that a terminal would act on or that is no text quoted.
func oneLine(data []byte) string {
	text := string(data)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// millis is a time in milliseconds, to a microsecond.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// eventText is an event in words.
func eventText(e node.Event) string {
	words := []string{strings.ReplaceAll(string(e.Kind), "-", " ")}
	add := func(given bool, format string, args ...any) {
		if given {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(!e.Peer.IsZero(), "%s", e.Peer.Short())
	add(e.URL != "", "%s", e.URL)
	add(e.Transport != "", "%s %s", e.Transport, direction(e.Outbound))
	add(e.Leaf, "leaf")
	add(e.Reason != "", "%s", e.Reason)
	add(e.Part != "", "%s", e.Part)
	add(e.Count > 0 && !(e.Kind == node.NetworkChanged && e.Count == 1), "%s", times(e.Count))
	add(e.Change != "", "%s", e.Change)
	add(e.Sources > 1, "with %d others", e.Sources-1)
	add(e.Err != "", "%s", oneLine([]byte(e.Err)))
	add(e.Hint != "", "(%s)", oneLine([]byte(e.Hint)))
	add(e.After > 0, "(again in %s)", e.After.Round(time.Millisecond))
	add(e.Kind == node.IdentityInUse, "(another process runs with the same --state; one of the two has to go)")
	add(e.Kind == node.NoHome, "(others cannot find this node there; another relay is asked)")
	add(e.Kind == node.ClockDoubted, "(the mesh says that this machine's clock is wrong; until it is set nobody finds this node)")
	return strings.Join(words, " ")
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func direction(outbound bool) string {
	if outbound {
		return "out"
	}
	return "in"
}

// shellWord quotes a word where a shell would split or read it otherwise.
func shellWord(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=@%+,[]", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
