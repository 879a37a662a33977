package wire

// Role says whether a node forwards for others. One byte.
type Role uint8

// The roles.
const (
	RoleRelay Role = 1 // forwards
	RoleLeaf  Role = 2 // does not
)

// String returns "relay", "leaf" or "unknown".
func (r Role) String() string {
	switch r {
	case RoleRelay:
		return "relay"
	case RoleLeaf:
		return "leaf"
	}
	return "unknown"
}

func (r Role) valid() bool { return r == RoleRelay || r == RoleLeaf }

// MaxPeers bounds the neighbours in one Peers frame: above the 200 relay links
// of a node with a port.
const MaxPeers = 256

const peerEntryLen = idLen + 1

// PeerEntry is one neighbour in a Peers frame.
type PeerEntry struct {
	ID   ID
	Role Role
}

// Peers is the link frame that lists the relay links of its sender.
//
//	offset  size  field
//	0       1     0x86
//	1       2     count, 0 to 256
//	3       ..    count × { ID 20, role u8: 1 relay, 2 leaf }
type Peers struct {
	Entries []PeerEntry
}

// AppendPeers appends v.
func AppendPeers(dst []byte, v *Peers) []byte {
	dst = appendU16(append(dst, byte(LinkPeers)), uint16(len(v.Entries)))
	for i := range v.Entries {
		dst = append(append(dst, v.Entries[i].ID[:]...), byte(v.Entries[i].Role))
	}
	return dst
}

// ParsePeers reads the Peers that fills b.
func ParsePeers(b []byte) (Peers, error) {
	r := linkReader(b, LinkPeers)
	n := int(r.u16())
	r.require(n <= MaxPeers, ErrCount)
	r.require(len(r.b) >= n*peerEntryLen, ErrShort)
	if r.bad != nil || n == 0 {
		return finish(&r, Peers{})
	}
	v := Peers{Entries: make([]PeerEntry, n)}
	for i := range v.Entries {
		v.Entries[i] = PeerEntry{ID: r.id(), Role: Role(r.u8())}
		r.require(v.Entries[i].Role.valid(), ErrValue)
	}
	return finish(&r, v)
}
