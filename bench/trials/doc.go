// Package trials measures what a node promises and the harness cannot ask of
// every system: a light flow beside a flood, what becomes of messages that
// nobody paces, the memory of a relay with many idle links, and QUIC over the
// mesh. Everything but the idle relay runs in one process over loopback.
package trials
