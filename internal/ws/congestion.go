package ws

// wanted is the congestion control that links ask for. On a long line that loses a
// packet in a hundred it moves fifty times what CUBIC does (ADR 047). Between two
// programs of one machine nothing is lost, and its pacing costs.
const wanted = "bbr"

// Congestion is the name of the congestion control of the connection; empty where the
// system does not tell. Anybody may call it.
func (c *Conn) Congestion() string { return congestionOf(c.cork.Conn) }
