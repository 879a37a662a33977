package node

import (
	"testing"

	"github.com/peermesh/peermesh/internal/wire"
)

func TestRoomsAreToldOnce(t *testing.T) {
	r := rooms{signal: make(chan struct{}, 1)}
	for range 3 {
		r.tell(wire.ID{1})
		r.tell(wire.ID{2})
	}
	<-r.signal
	if got := r.take(nil); len(got) != 2 || got[0] != (wire.ID{1}) || got[1] != (wire.ID{2}) {
		t.Errorf("got %v, want both once", got)
	}
	if got := r.take(nil); len(got) != 0 {
		t.Errorf("got %v a second time", got)
	}
	r.tell(wire.ID{1})
	<-r.signal
}
