// Package mem carries links over memory, inside one process: for tests, for
// simulations and for the nodes of an embedded mesh.
//
// [Pipe] makes one pipe. A [Network] gives names to listeners, so that nodes
// reach each other by URLs such as mem://alice. A queue holds a bounded number
// of bytes each way and a sender waits for room in it, as on a socket. Ends
// can be given faults: loss, delay, a stall, a break.
//
// Every wait is on a mutex and condition, and every delay a timer of package
// time, so that a testing/synctest bubble runs it in virtual time. No pipe has
// a goroutine of its own.
package mem
