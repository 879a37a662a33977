package node

import (
	"errors"

	"github.com/peermesh/peermesh/internal/engine"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/transport"
)

// caused is the error of a dial with its cause in a word.
type caused struct {
	error
	cause string // one of transport's Cause constants
}

func (e *caused) Unwrap() error { return e.error }

// causeName is the cause of an error in a word: one of transport's Cause constants,
// or the name of a reason; "": it is not known.
func causeName(err error) string {
	var clock *ClockError
	var dial *caused
	var silent *silence
	var why reason.Reason
	switch {
	case err == nil:
		return ""
	case errors.As(err, &clock):
		return transport.CauseClock
	case errors.As(err, &dial):
		return dial.cause
	case errors.As(err, &silent):
		return noAnswer
	}
	if why = refusalOf(err); why != reason.None {
		return why.String()
	}
	if errors.As(err, &why) && why != reason.None && why != reason.CarrierFailed {
		return why.String()
	}
	return ""
}

// noAnswer is the cause of a link whose peer has not answered its first ping.
const noAnswer = "no-answer"

// silence is why a URL with a link that is up does not count as joined.
type silence struct{}

func (*silence) Error() string { return "a link is up, and the node there has not answered on it yet" }

// linkWords are what a bare reason means that ended a link, or kept one from being.
var linkWords = map[reason.Reason]string{
	reason.LinkLimit:     "the node there has no place for another link",
	reason.GroupLimit:    "the node there has no place for another link with this one's address group",
	reason.Idle:          "the node there said nothing on the link until it ended",
	reason.CarrierFailed: "the connection broke",
	reason.Leaving:       "the node there is leaving",
	reason.Banned:        "the node there has sent this one away for a while",
	reason.Disconnected:  "the node there has sent this one away for a while",
	reason.Replaced:      "another link with the same node took its place",
	reason.Stalled:       "the node there read nothing",
}

// spoken is an error whose text is in words, with the name of its reason behind.
type spoken struct {
	why  reason.Reason
	text string
}

func (e *spoken) Error() string { return e.text + " (" + e.why.String() + ")" }
func (e *spoken) Unwrap() error { return e.why }

// inWords puts words in the place of an error that is a reason and nothing more.
func inWords(stage string, err error) error {
	why, ok := err.(reason.Reason)
	if !ok {
		return err
	}
	text := linkWords[why]
	if stage == stageAdmission {
		switch why {
		case reason.LinkLimit:
			text = "this node has no place for another link"
		case reason.GroupLimit:
			text = "this node has no place for another link with that address group"
		}
	}
	if text == "" {
		return err
	}
	return &spoken{why, text}
}

// stageAdmission is where a link ends that this node had no place for.
const stageAdmission = "admission"

// troubleOf is what is wrong with a target and where, in words; nil: nothing, or not yet.
func troubleOf(t *engine.TargetInfo) (stage string, err error) {
	switch {
	case t.Linked:
		return "", nil
	case t.Err != nil:
		return t.Stage, inWords(t.Stage, t.Err)
	case t.Up:
		return "link", &silence{}
	}
	return t.Stage, nil
}
