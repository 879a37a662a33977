// Package line models one direction of a line: what becomes of each packet that is
// put on it. It has a rate, which may change by a schedule, a propagation delay, a
// buffer before it, jitter, random loss and reordering.
//
// It is pure: the time comes in as a duration since a moment that the caller
// chooses, and randomness as a generator. The same calls give the same answers, so
// the model serves simulations, real nodes in one process, and a relay between two
// network devices alike.
package line
