package hostile

import (
	"crypto/rand"
	"io"
	"math/bits"
	"sync"
	"time"

	"github.com/peermesh/peermesh/internal/identity"
	"github.com/peermesh/peermesh/internal/limits"
	"github.com/peermesh/peermesh/internal/wire"
)

// Self is who a client is and what it says of itself. Its fields may be changed
// before each use; one Self may have many links.
type Self struct {
	Identity   *identity.Identity
	Static     identity.Static
	NetworkKey []byte // nil, or 32 bytes

	// Hello is what the link handshake tells. A Cert or Contact that is nil is
	// made anew for each handshake.
	Hello wire.Hello
	// Role and Info are of the contact record made for a Hello.
	Role wire.Role
	Info wire.Contact
	// Extra are raw fields { tag, length u16, value } behind those of Hello.
	Extra []byte
	// Skew is how far the client's clock is ahead: it signs with that time.
	Skew time.Duration
	// Raw is sent in place of the whole Hello.
	Raw []byte

	mu       sync.Mutex
	sequence uint64
}

// NewSelf returns a client with a key of its own.
func NewSelf(role wire.Role) *Self {
	id, err := identity.New(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return As(id, role)
}

// As returns a client with a given key: one that was ground, or stolen.
func As(id *identity.Identity, role wire.Role) *Self {
	static, err := identity.NewStatic(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	s := &Self{Identity: id, Static: static, Role: role}
	s.Hello.Version = Version
	_, _ = rand.Read(s.Hello.Instance[:])
	return s
}

// ID is that of the client's key.
func (s *Self) ID() wire.ID { return s.Identity.ID() }

// Key is the client's place in the routing space.
func (s *Self) Key() wire.Key { return identity.KeyOf(s.ID()) }

// Cert returns a fresh certificate of the static key.
func (s *Self) Cert() []byte {
	c := s.Identity.Certify(s.Static.Public, time.Now().Add(s.Skew))
	return wire.AppendCert(nil, &c)
}

// Sign returns a record of the client, with a sequence above its last.
func (s *Self) Sign(kind wire.RecordKind, ttl uint16, body []byte) []byte {
	s.mu.Lock()
	s.sequence = identity.NextSequence(s.sequence, time.Now().Add(s.Skew))
	sequence := s.sequence
	s.mu.Unlock()
	return s.Identity.Sign(kind, sequence, ttl, body)
}

// Contact returns a contact record of the client.
func (s *Self) Contact() []byte {
	c := s.Info
	c.Role = s.Role
	return s.Sign(wire.RecordContact, limits.ContactTTL, wire.AppendContact(nil, &c))
}

// hello is the payload of the client's message of the link handshake.
func (s *Self) hello() []byte { return s.Hi() }

// Hi is what the handshake tells of the client, as its options have it.
func (s *Self) Hi() []byte {
	if s.Raw != nil {
		return s.Raw
	}
	h := s.Hello
	if h.Cert == nil {
		h.Cert = s.Cert()
	}
	if h.Contact == nil {
		h.Contact = s.Contact()
	}
	return append(wire.AppendHello(nil, &h), s.Extra...)
}

// Grind draws keys until the place of one is wanted. Each costs about 25 µs, so
// 14 bits take less than a second.
func Grind(random io.Reader, wanted func(wire.Key) bool) *identity.Identity {
	for {
		id, err := identity.New(random)
		if err != nil {
			panic(err) // the test's own randomness has ended
		}
		if wanted(identity.KeyOf(id.ID())) {
			return id
		}
	}
}

// Near wants a place that shares at least so many leading bits with target.
func Near(target wire.Key, n int) func(wire.Key) bool {
	return func(k wire.Key) bool { return Shared(&target, &k) >= n }
}

// Nearer wants a place that is closer to target than all of those.
func Nearer(target wire.Key, than ...wire.Key) func(wire.Key) bool {
	return func(k wire.Key) bool {
		for i := range than {
			if !closer(&target, &k, &than[i]) {
				return false
			}
		}
		return true
	}
}

// Shared counts the leading bits that two places share.
func Shared(a, b *wire.Key) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 8 * len(a)
}

// closer says whether a is closer to target than b.
func closer(target, a, b *wire.Key) bool {
	for i := range target {
		if x, y := a[i]^target[i], b[i]^target[i]; x != y {
			return x < y
		}
	}
	return false
}
