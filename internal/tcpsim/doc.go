// Package tcpsim models a TCP connection over lines: what a carrier of links does
// to messages on a line that is slow, long, lossy or shared.
//
// It is pure: its owner has the clock, and all events run on the owner's goroutine.
// The connection carries messages of which only the lengths count.
//
// # What it models
//
// Segments of 1,448 bytes with 52 of headers, and acks of 52 bytes, on the same
// lines. Selective acks of three ranges, delayed acks, loss told by time (RFC 8985)
// and by the retransmission timer as Linux sets it (RFC 6298 with a floor of 200 ms
// over the smoothed round trip), a timeout in vain undone (RFC 3522). CUBIC (RFC
// 9438) with HyStart's delay rule, or BBR in version 1, which paces. A send buffer
// that grows with the window, a low-water mark of what is unsent, a receive buffer,
// the window that it leaves, and TCP_USER_TIMEOUT.
//
// # What it leaves out
//
// The handshakes of TCP and TLS, tail loss probes, F-RTO, ECN, Nagle's and
// Minshall's rules, stretched acks of network cards, autotuning of the receive
// buffer, the proportional rate reduction, pacing of CUBIC, and the time that
// computing takes. Acks are lost and queue as all packets. A lost tail therefore
// waits for the timer, where Linux would probe after two round trips.
package tcpsim
