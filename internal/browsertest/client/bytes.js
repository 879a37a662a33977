// Bytes as the protocol writes them: integers are unsigned and big-endian.

export const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))
export const utf8 = (text) => new TextEncoder().encode(text)
export const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i])
export const isZero = (bytes) => bytes.every((b) => b === 0)

export const u8 = (n) => Uint8Array.of(n)
export const u16 = (n) => number(2, (view) => view.setUint16(0, n))
export const u32 = (n) => number(4, (view) => view.setUint32(0, n))
export const u64 = (n) => number(8, (view) => view.setBigUint64(0, BigInt(n)))

function number(size, set) {
  const bytes = new Uint8Array(size)
  set(new DataView(bytes.buffer))
  return bytes
}

export function join(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    all.set(p, at)
    at += p.length
  }
  return all
}

// A Reader walks over a body. It throws when bytes are missing; the caller ends
// with end(), which throws when some are left.
export class Reader {
  #bytes

  constructor(bytes) { this.#bytes = bytes }

  get left() { return this.#bytes.length }

  // take returns a copy of the next n bytes.
  take(n) {
    if (n > this.left) throw new RangeError('too short')
    const taken = this.#bytes.slice(0, n)
    this.#bytes = this.#bytes.subarray(n)
    return taken
  }

  rest() { return this.take(this.left) }

  u8() { return this.take(1)[0] }
  u16() { return new DataView(this.take(2).buffer).getUint16(0) }
  u32() { return new DataView(this.take(4).buffer).getUint32(0) }
  u64() { return new DataView(this.take(8).buffer).getBigUint64(0) }

  // text reads n bytes of UTF-8 without control characters.
  text(n) {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.take(n))
    if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw new RangeError('text is not clean')
    return text
  }

  end() {
    if (this.left) throw new RangeError('bytes behind the end')
  }
}
