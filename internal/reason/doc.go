// Package reason names why a frame, message or link was dropped or refused.
//
// Each reason has one name, and that name is what a caller reads in the error,
// what the log line carries under the key "reason", what the metric has as its
// label and what the status shows. The numbers are part of the wire protocol
// (a Bye, a Hint, a refusal and a store answer carry them): they are never
// reused and only ever added at the end.
package reason
