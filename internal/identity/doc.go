// Package identity makes IDs prove themselves: the keys of a node, and the one
// check that ties an ID to the key behind a signature.
//
// An identity is an Ed25519 key pair. Its ID is a hash of the public key, so
// whoever shows the key and a signature is that ID, and nobody else can be:
//
//	ID  = SHA-256("peermesh-id-v1" ‖ public key)[0:20]
//	Key = SHA-256(ID)
//
// Four things are signed with it: the certificate of a Noise static key (Certify,
// VerifyCert) and that of a key for TLS (CertifyTLS, VerifyTLS), records that others
// keep (Sign, VerifyRecord), and the fingerprints of a WebRTC link (Prove,
// VerifyProof). Each signature covers a
// label of its own, the version and everything it claims, so that none can be
// shown in place of another. All checks go through Verify.
//
// The package starts no goroutine and reads no clock: the time and the source
// of randomness are arguments. Only LoadOrCreate and LockDir touch files. All functions
// may be called by many goroutines at once.
package identity
