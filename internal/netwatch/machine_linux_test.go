package netwatch

import (
	"encoding/binary"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// message is one of the kernel's.
func message(typ, flags uint16, body ...byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN, 64)
	binary.NativeEndian.PutUint32(b, uint32(len(b)+len(body)))
	binary.NativeEndian.PutUint16(b[4:], typ)
	binary.NativeEndian.PutUint16(b[6:], flags)
	b = append(b, body...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func route(length, table byte) []byte {
	body := make([]byte, unix.SizeofRtMsg+1) // and the beginning of an attribute
	body[1], body[4] = length, table
	return body
}

func TestWhatTheKernelSays(t *testing.T) {
	everywhere := route(0, unix.RT_TABLE_MAIN)
	cases := []struct {
		name string
		b    []byte
		hint bool
		ways uint64
	}{
		{"nothing", nil, false, 0},
		{"an address", message(unix.RTM_NEWADDR, 0), true, 0},
		{"an interface", message(unix.RTM_DELLINK, 0), true, 0},
		{"a network's route", message(unix.RTM_NEWROUTE, 0, route(24, unix.RT_TABLE_MAIN)...), false, 0},
		{"a default route of another table", message(unix.RTM_NEWROUTE, 0, route(0, 7)...), false, 0},
		{"a default route", message(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, everywhere...), true, 1},
		{"one that replaces its like", message(unix.RTM_NEWROUTE, unix.NLM_F_REPLACE, everywhere...), false, 0},
		{"one that goes, behind another message", append(message(unix.RTM_NEWROUTE, 0, route(24, unix.RT_TABLE_MAIN)...), message(unix.RTM_DELROUTE, 0, everywhere...)...), true, 1},
		{"a route that is too short", message(unix.RTM_NEWROUTE, 0, 2, 0), false, 0},
		{"a length beyond the end", message(unix.RTM_NEWADDR, 0)[:8], false, 0},
		{"a length of nothing", make([]byte, 32), false, 0},
	}
	for _, c := range cases {
		if hint, ways := heard(c.b); hint != c.hint || ways != c.ways {
			t.Errorf("%s: got %v and %d ways, want %v and %d", c.name, hint, ways, c.hint, c.ways)
		}
	}
}

func FuzzHeard(f *testing.F) {
	f.Add(message(unix.RTM_NEWROUTE, 0, route(0, unix.RT_TABLE_MAIN)...))
	f.Add(message(unix.RTM_NEWADDR, 0, 1, 2, 3))
	f.Fuzz(func(_ *testing.T, b []byte) { heard(b) })
}

func TestTentativeAddresses(t *testing.T) {
	const text = "fd000000000000000000000000000002 04 40 00 82     eth0\n" +
		"fd000000000000000000000000000003 04 40 00 c0     eth0\n" +
		"fd000000000000000000000000000004 04 40 00 08     eth0\n" +
		"zz000000000000000000000000000004 04 40 00 08     eth0\nfd00 04\n\n"
	if got, want := tentative([]byte(text)), addrs("fd00::3", "fd00::4"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The machine has not slept less than nothing, and time does not pass for it.
func TestStood(t *testing.T) {
	now := time.Now()
	first := stood(now, now)
	if second := stood(now, now.Add(time.Hour)); first < 0 || second-first > time.Second {
		t.Errorf("got %v, then %v", first, second)
	}
}
