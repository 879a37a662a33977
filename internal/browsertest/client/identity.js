// Identities and the one check behind everything signed (protocol, section 1).

import { equal, hex, join, u8, unhex, utf8 } from './bytes.js'

const version = 1
const idLabel = utf8('peermesh-id-v1')
const proofLabel = utf8('peermesh-dtls-v1')

// What stands in front of the seed in an Ed25519 key of the form PKCS #8 (RFC
// 8410, section 7).
const pkcs8 = unhex('302e020100300506032b657004220420')

// The points of small order, in each spelling, with the sign bit cleared:
// anybody can sign for them.
const weakKeys = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

// idOf returns the ID, 20 bytes, of a public key.
export async function idOf(publicKey) {
  return (await sha256(join(idLabel, publicKey))).slice(0, 20)
}

// An Identity is a key pair and the ID that follows from it.
export class Identity {
  #key

  constructor(key, publicKey, id) {
    this.#key = key
    this.public = publicKey
    this.id = id
  }

  // fromSeed returns the identity of 32 secret bytes. It needs WebCrypto with
  // Ed25519, which pages have in a secure context: https, or loopback.
  static async fromSeed(seed) {
    // The public key is told in this form alone, so it is asked for with a
    // second handle; the one that is kept cannot be read out again.
    const told = await crypto.subtle.importKey('pkcs8', join(pkcs8, seed), 'Ed25519', true, ['sign'])
    const { x } = await crypto.subtle.exportKey('jwk', told)
    const publicKey = Uint8Array.from(atob(x.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
    const key = await crypto.subtle.importKey('pkcs8', join(pkcs8, seed), 'Ed25519', false, ['sign'])
    return new Identity(key, publicKey, await idOf(publicKey))
  }

  // sign returns the 64 bytes of a signature.
  async sign(message) {
    return new Uint8Array(await crypto.subtle.sign('Ed25519', this.#key, message))
  }

  // prove returns the proof of a claim, 96 bytes; claim.own is this ID.
  async prove(claim) {
    return join(this.public, await this.sign(signedPart({ ...claim, own: this.id })))
  }
}

// verify is the one check: the key belongs to the ID that is expected, it is
// not weak, and the signature is its own. It throws if not.
export async function verify(publicKey, want, message, signature) {
  if (!equal(await idOf(publicKey), want)) throw new Error('the key belongs to another ID')
  const unsigned = publicKey.slice()
  unsigned[31] &= 0x7f
  if (weakKeys.has(hex(unsigned))) throw new Error('the key is one that anybody can sign for')
  if (!await signedBy(publicKey, message, signature)) throw new Error('the signature does not verify')
}

async function signedBy(publicKey, message, signature) {
  try {
    const key = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
    return await crypto.subtle.verify('Ed25519', key, signature, message)
  } catch (err) {
    if (err.name === 'DataError') return false // no point of the curve
    throw err
  }
}

// A claim is what one end of a direct link signs: own and other ID, signalling
// session (16 bytes), ownFingerprint and otherFingerprint (SHA-256 of the DTLS
// certificates). mirror returns it as the other end has to make it.
export function mirror(claim) {
  return {
    own: claim.other, other: claim.own, session: claim.session,
    ownFingerprint: claim.otherFingerprint, otherFingerprint: claim.ownFingerprint,
  }
}

function signedPart(claim) {
  return join(proofLabel, u8(version), claim.own, claim.other, claim.session, claim.ownFingerprint, claim.otherFingerprint)
}

// verifyProof checks the other end's proof; claim is as that end has to make
// it. It throws if it is not that.
export async function verifyProof(proof, claim) {
  if (proof?.length !== 96) throw new Error('no proof')
  if (equal(claim.own, claim.other)) throw new Error('the key belongs to another ID')
  await verify(proof.slice(0, 32), claim.own, signedPart(claim), proof.slice(32))
}
