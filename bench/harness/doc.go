// Package harness measures systems that carry messages from one end, A, over
// one or more relays to another end, C.
//
// Everything runs in one process over loopback TCP, so the CPU time and the
// allocations of a message are those of sender, relays and receiver together.
// A [System] opens a [Path]; the measurements are made by [Flood] (throughput,
// CPU and allocations), [Echo] (round-trip time), [Idle] (memory of links that
// carry nothing) and [Overhead] (bytes on the wire).
//
// Every delivered message is checked: its length, its sequence number at both
// ends of the payload, whether it came before, and for each 64th the checksum
// of the whole payload.
package harness
