// Package wire turns the bytes of the peermesh protocol into values and back.
//
// Everything that crosses a link has one pair of functions here: AppendX writes
// a value behind the bytes it is given and ParseX reads one. Integers are
// big-endian. The byte table stands beside each type; docs/protocol.md is the
// normative text and testdata/vectors.json holds examples that every
// implementation reads.
//
// Rules that hold for all of them:
//
//   - ParseX takes the whole body: a byte too few or, except for the bodies of
//     connect.go, too many is an error. It refuses counts and lengths above the
//     bounds named in this package, so a parsed value never holds more memory
//     than a small multiple of its input.
//   - Slices in a parsed value alias the input and live as long as it does.
//     Their capacity ends where they end, so appending to one copies it.
//   - AppendX trusts its caller: a value beyond the bounds yields bytes that
//     ParseX refuses. It allocates only when dst has no room.
//   - An error is one of the *Error values of this package, so that a refusal
//     allocates nothing, and a remote peer cannot make it carry text.
//   - Fixed bodies have one spelling: what was parsed is appended identically.
//     Bodies made of tagged fields (Hello, HandshakePayload) skip tags that
//     they do not know, and those of connect.go bytes behind their end, so that
//     later versions can add some.
//
// All functions are pure and may be called by many goroutines at once.
//
// Where things are:
//
//	version.go     what names the version of the protocol
//	frame.go       mesh frames: header, zero-copy accessors
//	options.go     detour, waypoints, return, aim
//	batch.go       frames in one carrier message
//	bundle.go      datagrams in one frame
//	link*.go       frames between two neighbours
//	hello.go       what two neighbours tell each other first
//	handshake.go   end-to-end handshakes and sealed data
//	cert.go        certificate of a Noise static key
//	record.go      signed records, contact.go and so on their bodies
//	plain.go       plaintexts inside sealed data
//	nearest.go     questions to the relay nearest a key, answer.go the answers
//	hint.go        what became of a frame
//	connect.go     messages by which two nodes arrange a direct link
package wire
