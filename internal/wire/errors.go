package wire

// Error is a refusal by a parser. What says which rule the bytes broke, in
// words that never contain any of the bytes. Compare with ==, or errors.Is.
type Error struct{ What string }

// Error returns the text of e.
func (e *Error) Error() string { return "wire: " + e.What }

// The refusals.
var (
	ErrShort     = &Error{"too short"}
	ErrTrailing  = &Error{"bytes behind the end"}
	ErrTooLong   = &Error{"longer than allowed"}
	ErrType      = &Error{"unknown type"}
	ErrFlags     = &Error{"reserved bits are set"}
	ErrMark      = &Error{"a mark on what is no Data of class 2"}
	ErrHopLimit  = &Error{"hop limit above 64"}
	ErrDst       = &Error{"a Nearest frame with a destination"}
	ErrDetour    = &Error{"detour list too long"}
	ErrWaypoints = &Error{"waypoints outside 1 to 3"}
	ErrCount     = &Error{"count out of range"}
	ErrLength    = &Error{"wrong length"}
	ErrValue     = &Error{"value out of range"}
	ErrVersion   = &Error{"unknown version"}
	ErrText      = &Error{"text is not clean UTF-8"}
	ErrOrder     = &Error{"fields out of order or repeated"}
	ErrMissing   = &Error{"a required field is missing"}
)
