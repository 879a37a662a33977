package wire

// Bounds of a Hello, in bytes. The texts are for status pages.
const (
	MaxAgent   = 64
	MaxNetwork = 64
	ProofLen   = 32 + 64
)

// Tags of a Hello.
const (
	helloVersion   = 1
	helloCert      = 2
	helloProof     = 3
	helloInstance  = 4
	helloContact   = 5
	helloDial      = 6
	helloFreeSlots = 7
	helloAgent     = 8
	helloNetwork   = 9
	helloNeed      = 11
)

// Hello is what each side of a new link tells about itself: tagged fields
// { tag u8, length u16, value }, in strictly rising order of tags; unknown tags
// are skipped, and so is 10, which is reserved.
//
//	tag  length    value
//	1    1         protocol version, required, not 0
//	2    101       certificate (Cert) of the Noise static key; absent on WebRTC links
//	3    96        proof on WebRTC links: identity key 32, signature 64
//	4    8         instance, required, not zero
//	5    108-2177  contact record
//	6    4         dial, counted by the dialler
//	7    2         free slots for links of the other's kind
//	8    1-64      agent, UTF-8 without control characters
//	9    1-64      network name, the same
//	11   0         need: the dialler has no other link that would do instead
//
// An absent field is its zero value. Whether a certificate or a proof must be
// there is for the link to say.
type Hello struct {
	Version   uint8
	Cert      []byte // nil: none; else CertLen bytes
	Proof     []byte // nil: none; else ProofLen bytes
	Instance  Instance
	Contact   []byte // nil: none; else a whole record, of which only the length is checked
	Dial      uint32
	FreeSlots uint16
	Agent     string
	Network   string
	Need      bool
}

// AppendHello appends v. An agent that is too long or not clean is made fit
// (CleanText).
func AppendHello(dst []byte, v *Hello) []byte {
	dst = append(appendTag(dst, helloVersion, 1), v.Version)
	dst = appendField(dst, helloCert, v.Cert)
	dst = appendField(dst, helloProof, v.Proof)
	dst = appendInstance(dst, helloInstance, v.Instance)
	dst = appendField(dst, helloContact, v.Contact)
	if v.Dial != 0 {
		dst = appendU32(appendTag(dst, helloDial, 4), v.Dial)
	}
	if v.FreeSlots != 0 {
		dst = appendU16(appendTag(dst, helloFreeSlots, 2), v.FreeSlots)
	}
	dst = appendText(dst, helloAgent, CleanText(v.Agent, MaxAgent))
	dst = appendText(dst, helloNetwork, v.Network)
	if v.Need {
		dst = appendTag(dst, helloNeed, 0)
	}
	return dst
}

// ParseHello reads the Hello that fills b.
func ParseHello(b []byte) (Hello, error) {
	var v Hello
	if err := fields(b, v.field); err != nil {
		return Hello{}, err
	}
	if v.Version == 0 || v.Instance == (Instance{}) {
		return Hello{}, ErrMissing
	}
	return v, nil
}

func (v *Hello) field(tag uint8, r *reader) {
	switch tag {
	case helloVersion:
		v.Version = r.u8()
	case helloCert:
		v.Cert = r.exactly(CertLen)
	case helloProof:
		v.Proof = r.exactly(ProofLen)
	case helloInstance:
		v.Instance = r.instance()
	case helloContact:
		v.Contact = r.record(len(r.b))
	case helloDial:
		v.Dial = r.u32()
	case helloFreeSlots:
		v.FreeSlots = r.u16()
	case helloAgent:
		v.Agent = r.shortText(MaxAgent)
	case helloNetwork:
		v.Network = r.shortText(MaxNetwork)
	case helloNeed:
		r.exactly(0)
		v.Need = true
	default:
		r.skip()
	}
}
