// Bench compares what carries messages from A over one or two relays to C: the
// peermesh node, floors below it and peers that a user might take instead.
//
//	go run . --size 64,1024,16384 --rounds 5
//
// All roles run in one process over loopback TCP. In each round every system
// runs each measurement once, one right after the other, and all comparisons are
// medians of per-round ratios, because the speed of a shared machine drifts by
// more than what is to be seen. Figures of different runs do not compare.
//
// The measurements (--modes):
//
//	win       throughput with at most 128 messages under way (32 from 16 KiB on)
//	own       throughput with the system's own flow control only
//	echo      round-trip time of a ping-pong over one relay
//	hop       CPU time that a second relay adds to a 1 KiB message
//	idle      memory and goroutines of a link end that carries nothing
//	overhead  bytes on the wire of a 64 B message on one hop
//	start     three processes: from a listener's ready line to the end of a send
//	first     from the start of everything to the first message
//	light     what a light flow gets beside a flood
//	loss      what becomes of messages that nobody paces
//	relay     resident memory of a relay with idle links
//	quic      QUIC through a relay, against QUIC over UDP
//
// README.md tells the systems, the flags and how to add a system.
package main
