package wire

// Bounds of a Piece.
const (
	PieceHeaderLen = 3     // bytes in front of its part of the frame
	PieceSlots     = 64    // frames of one link and direction that are in pieces at a time
	MinPiece       = 1_400 // bytes of a piece that is not the last: with headers, a packet
)

// Piece is the link frame that carries a part of a mesh frame which is too long for
// a slow link to send at once. It is alone in its carrier message.
//
//	offset  size  field
//	0       1     0x8A
//	1       1     slot, 0 to 63: whose pieces are of one frame, in order
//	2       1     flags: bit 0, the last piece
//	3       ..    bytes, to the end: 1,400 or more, of the last piece 1 or more
type Piece struct {
	Slot  uint8
	Last  bool
	Bytes []byte
}

// AppendPiece appends v.
func AppendPiece(dst []byte, v *Piece) []byte {
	flags := byte(0)
	if v.Last {
		flags = 1
	}
	return append(append(dst, byte(LinkPiece), v.Slot, flags), v.Bytes...)
}

// ParsePiece reads the Piece that fills b. It does not allocate.
func ParsePiece(b []byte) (Piece, error) {
	r := linkReader(b, LinkPiece)
	v := Piece{Slot: r.u8()}
	r.require(v.Slot < PieceSlots, ErrValue)
	flags := r.u8()
	r.require(flags <= 1, ErrFlags)
	v.Last, v.Bytes = flags == 1, r.rest()
	r.require(len(v.Bytes) >= MinPiece || v.Last && len(v.Bytes) > 0, ErrLength)
	return finish(&r, v)
}

// IsPiece reports whether a batch begins with a Piece, which is then to be all of it.
// The frame is not checked further.
func IsPiece(batch []byte) bool {
	return len(batch) > BatchHeader && LinkType(batch[BatchHeader]) == LinkPiece
}
