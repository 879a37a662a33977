// Does what the test tells it over a WebSocket: each call is one of the
// functions below, its result or error goes back.

import { Attempt } from './client/attempt.js'
import { equal, hex, unhex, u32 } from './client/bytes.js'
import { appendHello, parseHello } from './client/hello.js'
import { Identity, verify, verifyProof } from './client/identity.js'
import { meet } from './client/meet.js'
import { appendContact, parseContact, signContact, verifyContact } from './client/record.js'

const socket = new WebSocket(`ws://${location.host}/control`)
const say = (message) => socket.send(JSON.stringify(message))
const attempts = new Map()
const sent = new Map() // messages of send, by attempt
const channel = (n) => attempts.get(n).channel
const telling = (n) => ({ tell: (line) => say({ attempt: n, candidate: line ?? '' }) })

// message returns the i-th message of so many bytes; both ends make the same.
function message(i, size) {
  const bytes = Uint8Array.from({ length: size }, (_, j) => i + j)
  if (size >= 4) bytes.set(u32(i))
  return bytes
}

// busy keeps the page from doing anything for so many milliseconds.
function busy(ms) {
  for (const end = performance.now() + ms; performance.now() < end;);
}

async function echo(ch) {
  for (let m; (m = await ch.receive());) await ch.send(m)
}

const calls = {
  async offer({ n, patience }) {
    attempts.set(n, await Attempt.offer({ ...telling(n), patience }))
    return attempts.get(n).description
  },
  async answer({ n, offer }) {
    attempts.set(n, await Attempt.answer(offer, telling(n)))
    return attempts.get(n).description
  },
  setAnswer: ({ n, answer }) => attempts.get(n).setAnswer(answer),
  candidate: ({ n, line }) => attempts.get(n).addCandidate(line),
  open: async ({ n }) => { await channel(n) },
  close: ({ n }) => attempts.get(n).close(),
  closed: async ({ n }) => (await channel(n)).closed,
  binding: async ({ n }) => hex(await attempts.get(n).binding()),

  echo: async ({ n }) => { echo(await channel(n)) }, // goes on beside other calls
  async send({ n, count, size }) {
    const ch = await channel(n)
    for (let i = 0; i < count; i++) {
      await ch.send(message(i, size))
      sent.set(n, i + 1)
    }
  },
  sent: ({ n }) => sent.get(n) ?? 0,
  async take({ n, count, size, pause }) {
    const ch = await channel(n)
    for (let i = 0; i < count; i++) {
      const got = await ch.receive()
      if (!got) throw new Error(`the channel ended before message ${i}`)
      if (!equal(got, message(i, size))) throw new Error(`message ${i} is another: ${got.length} bytes`)
      busy(pause)
    }
  },

  async meet({ n, seed, peer, session, instance, network, agent, dial }) {
    const identity = await Identity.fromSeed(unhex(seed))
    const hello = await meet(await channel(n), await attempts.get(n).binding(), identity, unhex(peer),
      { session: unhex(session), instance: unhex(instance), network, agent, dial })
    return { agent: hello.agent, instance: hex(hello.instance), dial: hello.dial, urls: hello.contact.urls }
  },

  // The vectors.
  async identity({ seed }) {
    const identity = await Identity.fromSeed(unhex(seed))
    return { public: hex(identity.public), id: hex(identity.id) }
  },
  hello: ({ bytes }) => hex(appendHello(parseHello(unhex(bytes)))),
  contact: ({ bytes }) => hex(appendContact(parseContact(unhex(bytes)))),
  async signContact({ seed, contact, sequence, ttl }) {
    return hex(await signContact(await Identity.fromSeed(unhex(seed)), contact, sequence, ttl))
  },
  record: async ({ bytes, id, now }) => { await verifyContact(unhex(bytes), unhex(id), now) },
  proof: ({ bytes, claim }) => verifyProof(unhex(bytes), unhexAll(claim)),
  async prove({ seed, claim }) {
    return hex(await (await Identity.fromSeed(unhex(seed))).prove(unhexAll(claim)))
  },
  async weak({ key, id }) {
    await verify(unhex(key), unhex(id), new Uint8Array(), new Uint8Array(64))
  },
}

const unhexAll = (object) => Object.fromEntries(Object.entries(object).map(([k, v]) => [k, unhex(v)]))

socket.onmessage = async ({ data }) => {
  const { id, call, args } = JSON.parse(data)
  try {
    say({ id, result: await calls[call](args) })
  } catch (err) {
    say({ id, error: err.message || String(err) })
  }
}
socket.onopen = () => say({ ready: navigator.userAgent })
