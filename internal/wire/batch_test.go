package wire

import (
	"bytes"
	"testing"
)

func TestBatchRoundTrip(t *testing.T) {
	frame := dataFrame(80)
	list := [][]byte{AppendPing(nil, [8]byte{1}), AppendFrame(nil, &frame), pattern(0, MaxFrame)}
	b := batches.roundTrip(t, "three frames", list)
	if !IsLink(list[0]) || IsLink(list[1]) || IsLink(nil) {
		t.Error("IsLink: got the wrong kind of a frame")
	}
	if want := 3*BatchHeader + 9 + 80 + MaxFrame; len(b) != want {
		t.Errorf("length: got %d, want %d", len(b), want)
	}
}

func TestBatchRefused(t *testing.T) {
	batches.refuse(t, []refusal{
		{"empty", nil, ErrShort},
		{"half a length", []byte{0}, ErrShort},
		{"frame of no bytes", []byte{0, 0}, ErrLength},
		{"frame cut", []byte{0, 2, 1}, ErrShort},
		{"second frame cut", []byte{0, 1, 1, 0, 2, 1}, ErrShort},
		{"frame too long", append([]byte{0xfd, 0xe9}, make([]byte, MaxFrame+1)...), ErrTooLong},
	})
}

func TestBatchFramesDoNotOverlap(t *testing.T) {
	b := AppendToBatch(AppendToBatch(nil, []byte{1}), []byte{2})
	before := bytes.Clone(b)
	frame, _, err := NextInBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(frame, 0xee)
	if !bytes.Equal(b, before) {
		t.Error("appending to a frame changed the next one")
	}
}
