package wire

import (
	"bytes"
	"testing"
)

func TestBundleRoundTrip(t *testing.T) {
	b := bundles.roundTrip(t, "two", [][]byte{pattern(0, 3), pattern(9, 5)})
	if want := 2*BundleHeader + 3 + 5; len(b) != want {
		t.Errorf("length: got %d, want %d", len(b), want)
	}
	bundles.refuseCuts(t, "two", b)
	bundles.refuseMore(t, "two", b)
	bundles.roundTrip(t, "empty ones", [][]byte{{}, {}, {}})
	bundles.roundTrip(t, "longest", [][]byte{{}, pattern(0, MaxBundle-2*BundleHeader)})
	bundles.roundTrip(t, "most", most())
}

// most is as many datagrams as a bundle can have.
func most() [][]byte {
	list := make([][]byte, MaxBundle/BundleHeader)
	for i := range list {
		list[i] = []byte{}
	}
	return list
}

func TestBundleRefused(t *testing.T) {
	bundles.refuse(t, bundleRefusals())
}

func bundleRefusals() []refusal {
	return []refusal{
		{"empty", nil, ErrCount},
		{"single datagram", []byte{0, 1, 7}, ErrCount},
		{"half a length", []byte{0, 0, 0, 0, 0}, ErrShort},
		{"second datagram cut", []byte{0, 1, 7, 0, 2, 7}, ErrShort},
		{"length beyond the end", []byte{0, 0, 0xff, 0xff, 0}, ErrShort},
		{"3,585 bytes", AppendToBundle(AppendToBundle(nil, nil), make([]byte, MaxBundle+1-2*BundleHeader)), ErrTooLong},
	}
}

// Whatever stands before a bundle, its frame is none of those whose detour list
// is held shorter.
func TestLongestBundleIsNoLargeFrame(t *testing.T) {
	f := fullFrame()
	f.Detour, f.Waypoints = pattern(0, MaxDetour*PrefixLen), pattern(0, MaxWaypoints*20)
	f.Body = make([]byte, DataHeaderLen+PlainHeaderLen+MaxBundle+TagLen)
	if f.Len() > LargeFrame {
		t.Errorf("got %d bytes, want at most %d", f.Len(), LargeFrame)
	}
}

func TestBundledDatagramsDoNotOverlap(t *testing.T) {
	b := AppendToBundle(AppendToBundle(nil, []byte{1}), []byte{2})
	before := bytes.Clone(b)
	data, _ := NextInBundle(b)
	_ = append(data, 0xee)
	if !bytes.Equal(b, before) {
		t.Error("appending to a datagram changed the next one")
	}
}
