// The handshake of a direct link (protocol, section 2): both ends send a Hello
// with a proof at once, and check the other's.

import { appendHello, parseHello, version } from './hello.js'
import { mirror, verifyProof } from './identity.js'
import { roleLeaf, signContact, verifyContact } from './record.js'

const preAuthBytes = 4096 // of a message from somebody who has not proved itself

// meet proves the own identity to the node peer over a channel, and checks that
// the other end is peer. binding is of the attempt that the channel came of;
// session is that of the signalling, 16 bytes; instance is 8 random bytes of
// this start. It returns the other's Hello with its contact, or throws why the
// other end is refused: the caller then closes the attempt.
export async function meet(channel, binding, identity, peer, { session, instance, network = '', agent = '', dial = 0, now = Date.now() }) {
  const claim = {
    own: identity.id, other: peer, session,
    ownFingerprint: binding.slice(0, 32), otherFingerprint: binding.slice(32),
  }
  const contact = await signContact(identity, { role: roleLeaf, webRTC: true }, now)
  await channel.send(appendHello({ version, proof: await identity.prove(claim), instance, contact, dial, agent, network }))
  const message = await channel.receive()
  if (!message) throw new Error('the peer closed the link before it said who it is')
  if (message.length > preAuthBytes) throw new Error('the first message is too long')
  const hello = parseHello(message)
  if (hello.version !== version) throw new Error(`the peer speaks version ${hello.version}`)
  if (hello.network !== network) throw new Error(`the peer is in network "${hello.network}"`)
  await verifyProof(hello.proof, mirror(claim))
  if (!hello.contact) throw new Error('no contact record')
  return { ...hello, contact: await verifyContact(hello.contact, peer, now) }
}
