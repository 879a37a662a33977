package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// dataFrame is a plain frame of n bytes in all.
func dataFrame(n int) Frame {
	return Frame{
		Type: TypeData, Class: ClassBulk, HopLimit: 64,
		Dst: testID(0x10), Src: testID(0x30), Body: pattern(0, n-HeaderLen),
	}
}

// fullFrame has every option.
func fullFrame() Frame {
	f := dataFrame(100)
	f.Class, f.Found, f.Marked = ClassInteractive, true, true
	f.Detour, f.Waypoints, f.Return = pattern(1, 8), pattern(0x80, 40), pattern(0xd0, 20)
	f.Aim = pattern(0xa0, 8)
	return f
}

func TestFrameRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		edit func(f *Frame)
	}{
		{"no option", func(*Frame) {}},
		{"no body", func(f *Frame) { f.Body = []byte{} }},
		{"hop limit 0", func(f *Frame) { f.HopLimit = 0 }},
		{"empty detour", func(f *Frame) { f.Detour = []byte{} }},
		{"full detour", func(f *Frame) { f.Detour = pattern(0, MaxDetour*PrefixLen) }},
		{"one waypoint", func(f *Frame) { f.Waypoints = pattern(0, 20) }},
		{"three waypoints", func(f *Frame) { f.Waypoints = pattern(0, 60) }},
		{"return", func(f *Frame) { f.Return = pattern(0, 20) }},
		{"found", func(f *Frame) { f.Found = true }},
		{"aim", func(f *Frame) { f.Aim = pattern(0xa0, 8) }},
		{"marked", func(f *Frame) { f.Class, f.Marked = ClassInteractive, true }},
		{"nearest", func(f *Frame) { f.Type, f.Dst = TypeNearest, ID{} }},
		{"everything", func(f *Frame) { *f = fullFrame() }},
		{"longest", func(f *Frame) { *f = dataFrame(MaxFrame) }},
		{"large with the longest detour", func(f *Frame) {
			*f = dataFrame(LargeFrame + 1)
			f.Detour = pattern(0, MaxDetourLarge*PrefixLen)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := dataFrame(80)
			test.edit(&f)
			b := frames.roundTrip(t, test.name, f)
			if f.Len() != len(b) {
				t.Errorf("Len: got %d, want %d", f.Len(), len(b))
			}
		})
	}
}

func TestFrameRefused(t *testing.T) {
	simple := dataFrame(80)
	b := AppendFrame(nil, &simple)
	option := func(flag Flags, option ...byte) []byte { return join(with(b, 1, byte(flag))[:HeaderLen], option) }
	long := dataFrame(MaxFrame)
	large := dataFrame(LargeFrame - 67)
	large.Detour = pattern(0, 17*PrefixLen)
	frames.refuse(t, []refusal{
		{"empty", nil, ErrShort},
		{"header cut", b[:HeaderLen-1], ErrShort},
		{"too long", append(AppendFrame(nil, &long), 0), ErrTooLong},
		{"type 0", with(b, 0, 0), ErrType},
		{"type 7", with(b, 0, 7), ErrType},
		{"link frame", with(b, 0, 0x80), ErrType},
		{"marked control", with(b, 1, 0x40), ErrMark},
		{"marked ack", with(b, 1, 0x41), ErrMark},
		{"marked bulk", with(b, 1, 0x43), ErrMark},
		{"marked hint", with(with(b, 1, 0x42), 0, byte(TypeHint)), ErrMark},
		{"hop limit 65", with(b, 2, 65), ErrHopLimit},
		{"nearest with a destination", with(b, 0, byte(TypeNearest)), ErrDst},
		{"detour without count", option(FlagDetour), ErrShort},
		{"detour cut", option(FlagDetour, 2, 1, 2, 3, 4, 5), ErrShort},
		{"detour of 65", option(FlagDetour, append([]byte{65}, pattern(0, 260)...)...), ErrDetour},
		{"detour of 17 in a large frame", AppendFrame(nil, &large), ErrDetour},
		{"waypoints without count", option(FlagWaypoints), ErrShort},
		{"no waypoint", option(FlagWaypoints, append([]byte{0}, pattern(0, 60)...)...), ErrWaypoints},
		{"four waypoints", option(FlagWaypoints, append([]byte{4}, pattern(0, 80)...)...), ErrWaypoints},
		{"waypoint cut", option(FlagWaypoints, append([]byte{1}, pattern(0, 19)...)...), ErrShort},
		{"return cut", option(FlagReturn, pattern(0, 19)...), ErrShort},
		{"aim cut", option(FlagAim, pattern(0, 7)...), ErrShort},
	})
}

func TestFrameAtTheLargeBound(t *testing.T) {
	f := dataFrame(LargeFrame - 69)
	f.Detour = pattern(0, 17*PrefixLen)
	if f.Len() != LargeFrame {
		t.Fatalf("length: got %d, want %d", f.Len(), LargeFrame)
	}
	frames.roundTrip(t, "17 prefixes in a frame of 4,096 bytes", f)
}

func TestFrameOptionsDoNotOverlap(t *testing.T) {
	f := fullFrame()
	b := AppendFrame(nil, &f)
	before := bytes.Clone(b)
	got, err := ParseFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(got.Detour, 0xee)
	_ = append(got.Waypoints, 0xee)
	_ = append(got.Return, 0xee)
	_ = append(got.Aim, 0xee)
	if !bytes.Equal(b, before) {
		t.Error("appending to an option changed the frame")
	}
}

func TestFrameAccessors(t *testing.T) {
	f := dataFrame(80)
	b := AppendFrame(nil, &f)
	if got := FrameType(b); got != TypeData {
		t.Errorf("type: got %v, want data", got)
	}
	if got := FrameFlags(b); got.Class() != ClassBulk || got != f.Flags() {
		t.Errorf("flags: got %08b, want %08b", got, f.Flags())
	}
	if *FrameDst(b) != f.Dst || *FrameSrc(b) != f.Src {
		t.Errorf("IDs: got %x and %x, want %x and %x", *FrameDst(b), *FrameSrc(b), f.Dst, f.Src)
	}
	if !bytes.Equal(FrameBody(b), f.Body) {
		t.Errorf("body: got %x, want %x", FrameBody(b), f.Body)
	}
	SetFrameHopLimit(b, FrameHopLimit(b)-1)
	if got, err := ParseFrame(b); err != nil || got.HopLimit != 63 {
		t.Errorf("hop limit: got %d, %v, want 63", got.HopLimit, err)
	}
	head := AppendHeader(nil, f.Type, f.Class, f.HopLimit, &f.Dst, &f.Src)
	if !bytes.Equal(append(head, f.Body...), AppendFrame(nil, &f)) {
		t.Errorf("header: got %x, want that of AppendFrame", head)
	}
}

// TestADCoversWhatIsFixed: nothing that a relay may change is in it.
func TestADCoversWhatIsFixed(t *testing.T) {
	f := fullFrame()
	ad := AppendAD(nil, f.Type, f.Class, &f.Dst, &f.Src)
	want := join([]byte{1, 2}, f.Dst[:], f.Src[:])
	if !bytes.Equal(ad, want) || len(ad) != ADLen {
		t.Errorf("got %x, want %x", ad, want)
	}
}

func TestNames(t *testing.T) {
	got := []string{
		TypeData.String(), TypeHint.String(), Type(0).String(), Type(7).String(),
		ClassControl.String(), ClassBulk.String(), Class(4).String(),
		LinkPing.String(), LinkHeld.String(), LinkPiece.String(), LinkType(0x85).String(), LinkType(0x8B).String(), LinkType(1).String(),
		RecordContact.String(), RecordAttachment.String(), RecordTopic.String(), RecordKind(0).String(),
		RoleRelay.String(), RoleLeaf.String(), Role(0).String(),
		LinkKindNone.String(), LinkKindWS.String(), LinkKindWebRTC.String(), LinkKindMemory.String(),
	}
	want := []string{
		"data", "hint", "unknown", "unknown", "control", "bulk", "unknown",
		"ping", "held", "piece", "unknown", "unknown", "unknown", "contact", "attachment", "topic", "unknown",
		"relay", "leaf", "unknown", "none", "ws", "webrtc", "mem",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
