// Package browsertest lets a real browser link with this module's carrier and
// handshake: headless Chromium as Debian has it, with its settings as they are
// for everybody. It holds tests alone.
//
// The directory client is what a page needs for that, as ES modules without a
// build step and without dependencies:
//
//	bytes.js     bytes as the protocol writes them
//	identity.js  IDs, signatures (Ed25519 of WebCrypto), proofs
//	record.js    signed contact records
//	hello.js     the Hello of a link
//	attempt.js   offer, answer, candidates; the data channel
//	meet.js      the handshake on it
//
// The page of the tests, in testdata, does what it is told over a WebSocket and
// tells the outcome; offers, answers and candidates travel that way too, in
// place of a mesh.
package browsertest
