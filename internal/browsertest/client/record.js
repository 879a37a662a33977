// Signed records, and the contact record (protocol, section 1).

import { join, Reader, u16, u64, u8, utf8 } from './bytes.js'
import { verify } from './identity.js'

export const recordOverhead = 108
export const maxRecord = 2177
export const kindContact = 1
export const roleRelay = 1
export const roleLeaf = 2
export const contactLife = 3600 // seconds, the most

const version = 1
const contactLabel = utf8('peermesh-contact-v1')
const clockTolerance = 5 * 60 * 1000 // ms

// parseRecord returns the fields of a record and what its signature covers
// beside the label of its kind.
export function parseRecord(bytes) {
  if (bytes.length < recordOverhead || bytes.length > maxRecord) throw new RangeError('wrong length')
  const r = new Reader(bytes)
  const record = {
    version: r.u8(), kind: r.u8(), public: r.take(32), sequence: r.u64(), ttl: r.u16(),
    body: r.take(bytes.length - recordOverhead), sig: r.rest(), claims: bytes.slice(0, -64),
  }
  if (record.version !== version || record.kind < 1 || record.kind > 3) throw new RangeError('unknown version or kind')
  return record
}

// appendContact returns the body of a contact record.
export function appendContact({ role, webRTC, stun = 0, urls = [] }) {
  const texts = urls.map(utf8)
  return join(u8(role), u8(webRTC ? 1 : 0), u16(stun), u8(urls.length), ...texts.flatMap((t) => [u16(t.length), t]))
}

export function parseContact(body) {
  const r = new Reader(body)
  const contact = { role: r.u8(), webRTC: false, stun: 0, urls: [] }
  const flags = r.u8()
  contact.webRTC = flags === 1
  contact.stun = r.u16()
  const count = r.u8()
  if (contact.role < 1 || contact.role > 2 || flags > 1 || count > 8) throw new RangeError('value out of range')
  for (let i = 0; i < count; i++) contact.urls.push(url(r))
  r.end()
  return contact
}

function url(r) {
  const n = r.u16()
  if (n < 1 || n > 256) throw new RangeError('wrong length')
  const text = r.text(n)
  if (/[^!-~]/.test(text)) throw new RangeError('text is not clean')
  return text
}

// signContact returns the contact record of an identity, signed at the time
// sequence (Unix milliseconds, at least the last one + 1).
export async function signContact(identity, contact, sequence, ttl = contactLife) {
  const claims = join(u8(version), u8(kindContact), identity.public, u64(sequence), u16(ttl), appendContact(contact))
  return join(claims, await identity.sign(join(contactLabel, claims)))
}

// verifyContact checks the contact record of the node id at the time now (Unix
// milliseconds) and returns the contact. It throws when the record is not a live
// one, or another's.
export async function verifyContact(bytes, id, now) {
  const record = parseRecord(bytes)
  const contact = parseContact(record.body)
  const slack = clockTolerance + record.ttl * 1000
  if (record.kind !== kindContact || record.ttl > contactLife) throw new Error('not a contact record')
  if (Math.abs(Number(record.sequence) - now) > slack) throw new Error('the record is too old, or of the future')
  await verify(record.public, id, join(contactLabel, record.claims), record.sig)
  return contact
}
