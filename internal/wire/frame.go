package wire

import "encoding/binary"

// ID names a node: 20 bytes, a hash of its identity key. The zero ID is nobody.
type ID = [20]byte

// SameID says whether two IDs are the same. It costs a third of comparing the
// arrays, which calls into the runtime for a length that is no power of two.
func SameID(a, b *ID) bool {
	return binary.NativeEndian.Uint64(a[0:8]) == binary.NativeEndian.Uint64(b[0:8]) &&
		binary.NativeEndian.Uint64(a[8:16]) == binary.NativeEndian.Uint64(b[8:16]) &&
		binary.NativeEndian.Uint32(a[16:20]) == binary.NativeEndian.Uint32(b[16:20])
}

// Key is a point of the routing space: 32 bytes, SHA-256 of an ID.
type Key = [32]byte

// Instance tells one start of a node from the next: 8 random bytes. The zero
// Instance is none.
type Instance = [8]byte

// Type says what the body of a mesh frame is. One byte, below 0x80.
type Type uint8

// The types of mesh frames.
const (
	TypeData      Type = 1 // sealed for a session (DataBody)
	TypeHandshake Type = 2 // begins a session (HandshakeBody)
	TypeNearest   Type = 3 // for the relay nearest a key (NearestBody)
	TypeProbe     Type = 4 // to be answered where it ends (ProbeBody)
	TypeAnswer    Type = 5 // answers a Nearest or a Probe (AnswerBody)
	TypeHint      Type = 6 // tells a source what became of its frame (Hint)
)

var typeNames = [...]string{
	TypeData: "data", TypeHandshake: "handshake", TypeNearest: "nearest",
	TypeProbe: "probe", TypeAnswer: "answer", TypeHint: "hint",
}

// String returns the lower-case name of t, or "unknown".
func (t Type) String() string {
	if t >= TypeData && t <= TypeHint {
		return typeNames[t]
	}
	return "unknown"
}

// Class orders frames within their share of a link: the lower goes first. Two bits.
type Class uint8

// The classes.
const (
	ClassControl     Class = 0 // keeps the mesh together
	ClassAck         Class = 1 // lets a sender go on
	ClassInteractive Class = 2 // acknowledged messages
	ClassBulk        Class = 3 // datagrams; the only class that links do not keep until acked
)

var classNames = [...]string{"control", "ack", "interactive", "bulk"}

// String returns the lower-case name of c, or "unknown".
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// Flags is the second byte of a mesh frame: the class in bits 0 and 1, then one
// bit for each option, one for FlagFound and one for FlagMarked.
type Flags uint8

// The bits of Flags.
const (
	ClassMask     Flags = 3      // bits of the class
	FlagDetour    Flags = 1 << 2 // a detour list follows the header
	FlagWaypoints Flags = 1 << 3 // waypoints follow
	FlagReturn    Flags = 1 << 4 // a home of the source follows
	FlagFound     Flags = 1 << 5 // the first waypoint stems from an attachment record
	FlagMarked    Flags = 1 << 6 // a relay had a standing queue: Data of class 2 alone has it
	FlagAim       Flags = 1 << 7 // an aim follows: a scatter frame
)

// Class returns the class bits of f.
func (f Flags) Class() Class { return Class(f & ClassMask) }

// Sizes of mesh frames, in bytes, and bounds of their fields (docs/protocol.md,
// section 3). internal/limits repeats those that remote peers are held to.
const (
	HeaderLen  = 43     // type, flags, hop limit, destination, source
	MaxFrame   = 65_000 // longest mesh frame, and longest frame in a batch
	MaxMessage = 60_000 // longest application message
	ADLen      = 42     // what AppendAD appends

	MaxHopLimit = 64 // crossings of a frame; a fresh frame starts with it
)

// Frame is one mesh frame.
//
//	offset  size  field
//	0       1     type: 1 Data, 2 Handshake, 3 Nearest, 4 Probe, 5 Answer, 6 Hint
//	1       1     flags: bits 0-1 class, 2 detour, 3 waypoints, 4 return, 5 found, 6 marked, 7 aim
//	2       1     hop limit, 0 to 64
//	3       20    destination ID, zero for Nearest
//	23      20    source ID
//	43      ..    options whose flag is set, in this order:
//	              detour     count u8 (0 to 64; at most 16 in a frame above 4,096 bytes), count × 4-byte Key prefixes
//	              waypoints  count u8 (1 to 3), count × 20-byte IDs, the next one first
//	              return     20-byte ID
//	              aim        8 bytes: the first bits of the Key that a scatter frame makes for
//	..      ..    body, to the end of the frame
//
// The whole frame is at most MaxFrame bytes long. The seal of a Data frame
// covers type, class, destination and source (AppendAD) and nothing else of
// the header.
type Frame struct {
	Type     Type
	Class    Class
	Found    bool // aimed by an attachment record
	Marked   bool // a relay had a standing queue; Data of class 2 alone
	HopLimit uint8
	Dst, Src ID

	Detour    []byte // nil: no list; else 4 bytes for each Key prefix, and an empty list is not nil
	Waypoints []byte // nil: none; else 20 bytes for each ID, the next one first
	Return    []byte // nil: none; else the 20-byte ID of a home of Src
	Aim       []byte // nil: none; else AimLen bytes: this is a scatter frame
	Body      []byte
}

// ParseFrame reads the mesh frame that fills b and checks all of its header
// and options; the body is not looked at. All slices of the result alias b.
// It does not allocate.
func ParseFrame(b []byte) (f Frame, err error) {
	if err := f.Parse(b); err != nil {
		return Frame{}, err
	}
	return f, nil
}

// Parse is ParseFrame into a zero Frame, for those to whom a copy is dear. On error
// the Frame is worth nothing.
func (f *Frame) Parse(b []byte) (err error) {
	if err := checkHeader(b); err != nil {
		return err
	}
	flags := Flags(b[1])
	f.Type, f.Class, f.HopLimit = Type(b[0]), flags.Class(), b[2]
	f.Found, f.Marked = flags&FlagFound != 0, flags&FlagMarked != 0
	f.Dst, f.Src = ID(b[3:23]), ID(b[23:43])
	rest := b[HeaderLen:]
	if flags&flagsOptions != 0 {
		if rest, err = f.parseOptions(flags, rest, len(b)); err != nil {
			return err
		}
	}
	f.Body = rest[:len(rest):len(rest)]
	return nil
}

// checkHeader holds the rules for the first HeaderLen bytes and the whole length.
func checkHeader(b []byte) error {
	switch {
	case len(b) < HeaderLen:
		return ErrShort
	case len(b) > MaxFrame:
		return ErrTooLong
	case Type(b[0]) < TypeData || Type(b[0]) > TypeHint:
		return ErrType
	case Flags(b[1])&FlagMarked != 0 && !Markable(b):
		return ErrMark
	case b[2] > MaxHopLimit:
		return ErrHopLimit
	case Type(b[0]) == TypeNearest && *FrameDst(b) != (ID{}):
		return ErrDst
	}
	return nil
}

// AppendFrame appends f to dst. It does not allocate when dst has room for
// f.Len() bytes. f must keep the bounds of Frame, or ParseFrame will refuse
// what was appended.
func AppendFrame(dst []byte, f *Frame) []byte {
	dst = append(dst, byte(f.Type), byte(f.Flags()), f.HopLimit)
	dst = append(dst, f.Dst[:]...)
	dst = append(dst, f.Src[:]...)
	dst = f.appendOptions(dst)
	return append(dst, f.Body...)
}

// Flags returns the second byte of f on the wire.
func (f *Frame) Flags() Flags {
	flags := Flags(f.Class) & ClassMask
	if f.Detour != nil {
		flags |= FlagDetour
	}
	if f.Waypoints != nil {
		flags |= FlagWaypoints
	}
	if f.Return != nil {
		flags |= FlagReturn
	}
	if f.Found {
		flags |= FlagFound
	}
	if f.Aim != nil {
		flags |= FlagAim
	}
	if f.Marked {
		flags |= FlagMarked
	}
	return flags
}

// Len returns the length of f on the wire, in bytes.
func (f *Frame) Len() int { return HeaderLen + f.optionsLen() + len(f.Body) }

// AppendHeader appends the 43 bytes of a header without options, so that a
// body can be written behind it in place.
func AppendHeader(dst []byte, t Type, c Class, hopLimit uint8, dstID, src *ID) []byte {
	dst = append(dst, byte(t), byte(Flags(c)&ClassMask), hopLimit)
	dst = append(dst, dstID[:]...)
	return append(dst, src[:]...)
}

// The accessors below read one field of a mesh frame where it lies. They are
// valid when b holds at least HeaderLen bytes; use ParseFrame on anything that
// was not checked.

// FrameType returns the type of the frame in b.
func FrameType(b []byte) Type { return Type(b[0]) }

// FrameFlags returns the flags of the frame in b.
func FrameFlags(b []byte) Flags { return Flags(b[1]) }

// FrameHopLimit returns the hop limit of the frame in b.
func FrameHopLimit(b []byte) uint8 { return b[2] }

// SetFrameHopLimit overwrites the hop limit of the frame in b.
func SetFrameHopLimit(b []byte, n uint8) { b[2] = n }

// Markable says whether the frame in b may be marked: it is Data of class 2.
func Markable(b []byte) bool {
	return FrameType(b) == TypeData && FrameFlags(b).Class() == ClassInteractive
}

// MarkFrame sets FlagMarked in the frame in b, which is Markable. The seal does not
// cover it.
func MarkFrame(b []byte) { b[1] |= byte(FlagMarked) }

// FrameDst returns the destination of the frame in b. The result points into b.
func FrameDst(b []byte) *ID { return (*ID)(b[3:23]) }

// FrameSrc returns the source of the frame in b. The result points into b.
func FrameSrc(b []byte) *ID { return (*ID)(b[23:43]) }

// FrameBody returns the body of a frame without options. The result aliases b.
func FrameBody(b []byte) []byte { return b[HeaderLen:] }

// AppendAD appends the ADLen bytes of a frame's header that the end-to-end seal
// covers: type, class bits, destination, source.
//
//	offset  size  field
//	0       1     type
//	1       1     class, 0 to 3
//	2       20    destination ID
//	22      20    source ID
func AppendAD(dst []byte, t Type, c Class, dstID, src *ID) []byte {
	dst = append(dst, byte(t), byte(Flags(c)&ClassMask))
	dst = append(dst, dstID[:]...)
	return append(dst, src[:]...)
}

func appendU16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }
func appendU32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }
func appendU64(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }
