package wire

// Bounds of the options of a mesh frame (docs/protocol.md, section 3). 64
// prefixes are as many as a frame has crossings; a large frame carries fewer
// because the list is counted in none of its sender's sizes.
const (
	MaxDetour      = 64    // Key prefixes in a detour list
	MaxDetourLarge = 16    // the same when the frame is longer than LargeFrame
	LargeFrame     = 4_096 // bytes
	MaxWaypoints   = 3     // IDs in a waypoint list
	PrefixLen      = 4     // bytes of a Key in a detour list
	AimLen         = 8     // bytes of a Key in an aim
	idLen          = 20
)

// flagsOptions are the flags of options, which follow the header.
const flagsOptions = FlagDetour | FlagWaypoints | FlagReturn | FlagAim

// DetourLimit returns how many prefixes the detour list of a frame of n bytes
// may hold, the list included in n.
func DetourLimit(n int) int {
	if n > LargeFrame {
		return MaxDetourLarge
	}
	return MaxDetour
}

// parseOptions reads the options that flags announce from b, of a frame of
// size bytes, and returns the body behind them.
func (f *Frame) parseOptions(flags Flags, b []byte, size int) (body []byte, err error) {
	if flags&FlagDetour != 0 {
		if f.Detour, b, err = cutList(b, PrefixLen, 0, DetourLimit(size), ErrDetour); err != nil {
			return nil, err
		}
	}
	if flags&FlagWaypoints != 0 {
		if f.Waypoints, b, err = cutList(b, idLen, 1, MaxWaypoints, ErrWaypoints); err != nil {
			return nil, err
		}
	}
	if flags&FlagReturn != 0 {
		if f.Return, b, err = cut(b, idLen); err != nil {
			return nil, err
		}
	}
	if flags&FlagAim != 0 {
		if f.Aim, b, err = cut(b, AimLen); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// cut splits size bytes off b.
func cut(b []byte, size int) (option, rest []byte, err error) {
	if len(b) < size {
		return nil, nil, ErrShort
	}
	return b[:size:size], b[size:], nil
}

// cutList splits count u8 and count × size bytes off b. The list is never nil.
func cutList(b []byte, size, least, most int, bad *Error) (list, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, ErrShort
	}
	count := int(b[0])
	if count < least || count > most {
		return nil, nil, bad
	}
	end := 1 + count*size
	if len(b) < end {
		return nil, nil, ErrShort
	}
	return b[1:end:end], b[end:], nil
}

func (f *Frame) appendOptions(dst []byte) []byte {
	if f.Detour != nil {
		dst = append(dst, byte(len(f.Detour)/PrefixLen))
		dst = append(dst, f.Detour...)
	}
	if f.Waypoints != nil {
		dst = append(dst, byte(len(f.Waypoints)/idLen))
		dst = append(dst, f.Waypoints...)
	}
	return append(append(dst, f.Return...), f.Aim...)
}

func (f *Frame) optionsLen() int {
	n := len(f.Return) + len(f.Aim)
	if f.Detour != nil {
		n += 1 + len(f.Detour)
	}
	if f.Waypoints != nil {
		n += 1 + len(f.Waypoints)
	}
	return n
}
