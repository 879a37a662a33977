package engine

import (
	"errors"
	"testing"

	"github.com/peermesh/peermesh/internal/link"
	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/routing"
)

// That a link over WebRTC which two nodes try finds no place is nothing that anybody
// has to know, at either end; of the link that a user asked for it is told.
func TestTriedLinksAreNotTold(t *testing.T) {
	drops := new(reason.Counters)
	b := newBrain(t, func(c *Config) {
		withWebRTC(WebRTCOn, 12)(c)
		c.Drops = drops
	})
	for i := range 8 {
		b.rtcRelay(stranger(i+1), Origin{Need: true})
	}
	b.rtcRelay(stranger(50), Origin{Need: true})
	if told := find[Tell](b.actions); len(find[CloseLink](b.actions)) != 1 || len(told) != 0 || drops.Get(reason.LinkLimit) != 0 {
		t.Errorf("refused here: got %+v and %d drops, want nothing told", told, drops.Get(reason.LinkLimit))
	}
	up := b.links.list[0]
	b.step(Goodbye{Link: up.link, Reason: reason.LinkLimit})
	if told := find[Tell](b.actions); len(told) != 0 {
		t.Errorf("refused there: got %+v, want nothing told", told)
	}
}

// A link by a user's URL that ends before its peer has answered is told with the
// cause in the words of who saw it end.
func TestUnansweredLinkIsTold(t *testing.T) {
	b := newBrain(t, nil)
	target := b.joining("ws://a")[0]
	p := b.peer(routing.ID{1}, func(c *link.Config) { c.Outbound = true })
	b.up(p, target)
	if info := b.Targets()[0]; !info.Up || info.Linked {
		t.Errorf("before an answer: got %+v, want up and not linked", info)
	}
	why := errors.New("this clock is wrong")
	b.step(LinkDown{p.Link, reason.CarrierFailed, why})
	var told []Notice
	for _, a := range find[Tell](b.actions) {
		if a.Notice.Kind == NoticeRetry {
			told = append(told, a.Notice)
		}
	}
	if len(told) != 1 || told[0].Err != why || told[0].URL != "ws://a" || told[0].After <= 0 {
		t.Errorf("got %+v, want one retry with the cause", told)
	}
	if info := b.Targets()[0]; info.Err != why || info.Stage != "link" {
		t.Errorf("got %+v, want the cause", info)
	}
}
