// The Hello of a link (protocol, section 2).

import { isZero, join, Reader, u16, u32, u8, utf8 } from './bytes.js'
import { maxRecord, recordOverhead } from './record.js'

export const version = 2
export const proofLength = 96

// Each field by its tag: how its value is read, and how it is written; nothing
// is written for a zero value.
const fields = new Map([
  [1, { name: 'version', read: (r) => r.u8(), write: (v) => u8(v) }],
  [2, { name: 'cert', read: exactly(101), write: bytes }],
  [3, { name: 'proof', read: exactly(proofLength), write: bytes }],
  [4, { name: 'instance', read: exactly(8), write: bytes }],
  [5, { name: 'contact', read: between(recordOverhead, maxRecord), write: bytes }],
  [6, { name: 'dial', read: (r) => r.u32(), write: (v) => v && u32(v) }],
  [7, { name: 'freeSlots', read: (r) => r.u16(), write: (v) => v && u16(v) }],
  [8, { name: 'agent', read: text(64), write: (v) => v && utf8(v) }],
  [9, { name: 'network', read: text(64), write: (v) => v && utf8(v) }],
  [11, { name: 'need', read: (r) => r.take(0) && true, write: (v) => v && new Uint8Array() }],
])

// appendHello returns the bytes of a Hello. Fields that are left out are not
// written.
export function appendHello(hello) {
  const parts = []
  for (const [tag, { name, write }] of fields) {
    const value = write(hello[name])
    if (value) parts.push(u8(tag), u16(value.length), value)
  }
  return join(...parts)
}

// parseHello reads the Hello that fills bytes, and throws a RangeError if it is
// malformed. Fields with unknown tags are skipped.
export function parseHello(all) {
  const hello = {
    version: 0, cert: null, proof: null, instance: null, contact: null,
    dial: 0, freeSlots: 0, agent: '', network: '', need: false,
  }
  const r = new Reader(all)
  for (let last = -1; r.left;) {
    const tag = r.u8()
    const value = new Reader(r.take(r.u16()))
    if (tag <= last) throw new RangeError('fields out of order or repeated')
    last = tag
    const field = fields.get(tag)
    if (!field) continue
    hello[field.name] = field.read(value)
    value.end()
  }
  if (!hello.version || !hello.instance || isZero(hello.instance)) throw new RangeError('a required field is missing')
  return hello
}

function bytes(value) { return value?.length ? value : null }

function exactly(n) { return between(n, n) }

function between(least, most) {
  return (r) => {
    if (r.left < least || r.left > most) throw new RangeError('wrong length')
    return r.rest()
  }
}

function text(most) {
  return (r) => {
    if (r.left > most) throw new RangeError('longer than allowed')
    return r.text(r.left)
  }
}
