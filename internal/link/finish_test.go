package link

import (
	"testing"
	"testing/synctest"

	"github.com/peermesh/peermesh/internal/reason"
	"github.com/peermesh/peermesh/internal/wire"
)

// What each way to append answers is what becomes of the frame: Queued before
// Finish and it leaves ahead of the Bye, Ended from then on and it never leaves.
func TestAnswersAroundAFinishAreKept(t *testing.T) {
	ways := map[string]func(m *modelLink) (Admission, uint32){
		"a frame of another link": func(m *modelLink) (Admission, uint32) {
			f, number := m.mesh(wire.ClassBulk, 60)
			return m.give(9, wire.ClassBulk, f, 1), number
		},
		"a frame of this node": func(m *modelLink) (Admission, uint32) {
			f, number := m.mesh(wire.ClassInteractive, 60)
			return m.AppendOwn(wire.ClassInteractive, f[wire.BatchHeader:]), number
		},
		"a link frame": func(m *modelLink) (Admission, uint32) {
			number := m.next()
			return m.AppendControl(wire.AppendLinkAck(nil, wire.Taken{Count: uint64(number)})), number
		},
	}
	for name, way := range ways {
		for _, block := range "shu" { // the carrier takes nothing, does not return, takes all
			t.Run(name+", "+string(block), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newModelLink(leavesNothing, false)
					steps['R'](m)
					steps[byte(block)](m)
					m.all.Go(func() { // a slow carrier does not let it return
						if a, number := way(m); a == Queued {
							m.expect(number)
						}
					})
					synctest.Wait()
					m.all.Go(func() { steps['F'](m) })
					synctest.Wait()
					if a, _ := way(m); a != Ended {
						t.Errorf("after Finish: got %v, want %v", a, Ended)
					}
					m.unblock()
					synctest.Wait()
					if len(m.want) != 1 {
						t.Errorf("before Finish: got %d frames taken, want 1", len(m.want))
					}
					if fault := m.fault(); fault != "" {
						t.Error(fault)
					}
					m.Link.Close(reason.Closed)
					m.all.Wait()
				})
			})
		}
	}
}

// The same when all of them happen at once, in whatever order they come to the
// lock.
func TestAnswersAtTheMomentOfAFinishAreKept(t *testing.T) {
	count := 1000
	if testing.Short() {
		count = 100
	}
	synctest.Test(t, func(t *testing.T) {
		for i := range count {
			for _, order := range []string{".R.cFcaoc", ".RocaFcoa", "hR.acFocu", "cR.sacFAu"} {
				if fault := newModelLink(leaves(i%3), i%2 == 1).play(order, false, i/3%2 == 0); fault != "" {
					t.Fatalf("%s, the %d. time: %s", order, i, fault)
				}
			}
		}
	})
}
