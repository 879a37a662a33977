// One attempt at a direct connection, and the data channel that comes of it.
// Offers, answers and candidates are texts; who carries them is the caller's
// affair.

import { join, unhex } from './bytes.js'
import { sha256 } from './identity.js'

const label = 'peermesh'
const channelID = 0
const highWater = 1 << 20 // bytes buffered above which send waits
const lowWater = 256 << 10 // bytes below which it goes on
const openTime = 10_000 // ms from the beginning to an open channel
const maxUnread = 2 << 20 // bytes that came and were not asked for; more end the channel

export class Attempt {
  #pc
  #channel
  #early = [] // candidates that came before the other description; null: it is there

  // description is the own offer or answer.
  description = ''
  // channel is a promise of the open Channel; it fails when none comes about.
  channel

  constructor(pc, dc, patience) {
    this.#pc = pc
    this.#channel = new Channel(dc)
    this.channel = opened(pc, dc, this.#channel, patience)
    this.channel.catch(() => this.close()) // an attempt that failed holds nothing
  }

  // offer begins an attempt. servers are as in RTCConfiguration; tell is called
  // with each own candidate that follows the description, then with null. An
  // attempt that comes to nothing ends after patience, in ms.
  static async offer(options) {
    const attempt = await begin(options)
    await attempt.#describe(() => attempt.#pc.createOffer())
    return attempt
  }

  // answer answers an offer.
  static async answer(offer, options) {
    const attempt = await begin(options)
    await attempt.#describe(async () => {
      await attempt.#take({ type: 'offer', sdp: offer })
      return attempt.#pc.createAnswer()
    })
    return attempt
  }

  async #describe(create) {
    try {
      await this.#pc.setLocalDescription(await create())
    } catch (err) {
      this.close()
      throw err
    }
    this.description = this.#pc.localDescription.sdp
  }

  // setAnswer takes the answer to the own offer.
  setAnswer(sdp) { return this.#take({ type: 'answer', sdp }) }

  async #take(description) {
    await this.#pc.setRemoteDescription(description)
    const early = this.#early
    this.#early = null
    for (const line of early) await this.addCandidate(line)
  }

  // addCandidate takes a candidate of the other end, also before its
  // description.
  async addCandidate(line) {
    if (this.#early) {
      this.#early.push(line)
      return
    }
    await this.#pc.addIceCandidate({ candidate: line, sdpMLineIndex: 0 })
  }

  // binding returns the fingerprints of the certificates that the connection
  // really uses: the own one's, then the other's, 64 bytes.
  async binding() {
    const [own] = this.#pc.getConfiguration().certificates
    const [other] = this.#pc.sctp.transport.getRemoteCertificates()
    const { value } = own.getFingerprints().find((f) => f.algorithm === 'sha-256')
    return join(unhex(value.replaceAll(':', '')), await sha256(other))
  }

  // close ends the connection at once. The other end sees it.
  close() {
    this.#pc.close()
    this.#channel.end() // its own end is not told by an event
  }
}

async function begin({ servers = [], tell = () => {}, patience = openTime } = {}) {
  // A certificate of its own for each connection: the default, made here so
  // that its fingerprint can be asked for.
  const certificate = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' })
  const pc = new RTCPeerConnection({ iceServers: servers, certificates: [certificate] })
  pc.onicecandidate = ({ candidate }) => tell(candidate?.candidate || null)
  return new Attempt(pc, pc.createDataChannel(label, { negotiated: true, id: channelID, ordered: true }), patience)
}

// opened returns a promise of the channel once it is open.
function opened(pc, dc, channel, patience) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no connection in time')), patience)
    dc.addEventListener('open', () => {
      clearTimeout(late)
      resolve(channel)
    })
    channel.closed.then(() => {
      clearTimeout(late)
      reject(new Error('the connection was closed'))
    })
    pc.addEventListener('connectionstatechange', () => {
      if (pc.connectionState !== 'failed') return
      reject(new Error('the connection failed'))
      pc.close()
      channel.end()
    })
  })
}

// A Channel moves whole messages in order. A page cannot hold up its peer: what
// comes is taken by the browser whether it is read or not. So who reads too
// slowly loses the channel.
export class Channel {
  #dc
  #unread = 0 // bytes of messages
  #messages = [] // that came and were not asked for
  #readers = [] // that wait for one
  #ended

  // closed is a promise that is kept when the channel has ended.
  closed = new Promise((resolve) => { this.#ended = resolve })

  constructor(dc) {
    this.#dc = dc
    dc.binaryType = 'arraybuffer'
    dc.bufferedAmountLowThreshold = lowWater
    dc.onmessage = ({ data }) => this.#deliver(new Uint8Array(data))
    dc.onclose = () => this.end()
  }

  #deliver(message) {
    const reader = this.#readers?.shift()
    if (reader) {
      reader(message)
      return
    }
    this.#messages.push(message)
    this.#unread += message.length
    if (this.#unread <= maxUnread) return
    this.#dc.close()
    this.end()
  }

  // receive returns the next message, or null when the channel has ended.
  receive() {
    if (this.#messages.length) {
      const message = this.#messages.shift()
      this.#unread -= message.length
      return Promise.resolve(message)
    }
    if (!this.#readers) return Promise.resolve(null)
    return new Promise((resolve) => { this.#readers.push(resolve) })
  }

  // send sends a message. It waits for room when much is on its way.
  async send(message) {
    this.#dc.send(message)
    if (this.#dc.bufferedAmount <= highWater) return
    const low = new Promise((resolve) => { this.#dc.addEventListener('bufferedamountlow', resolve, { once: true }) })
    await Promise.race([low, this.closed])
  }

  // end tells all who wait that nothing more comes.
  end() {
    const readers = this.#readers ?? []
    this.#readers = null
    this.#ended()
    for (const reader of readers) reader(null)
  }
}
