import { startNats } from '@acuse-proof/servers'
import { eventually } from '@acuse/testing'
import { jetstream, type PubAck } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { onTestFinished } from 'vitest'
import { testVectors } from '../../../test/vectors/suite.ts'
import { type HeldByNats, heldAt, plainHeaders } from './held.ts'
import { open } from './support.ts'

/** Nobody reads this partition. */
const probe = 'acuse.shop=orders.99.normal.probe'
const everything = 'acuse.shop=orders.>'

testVectors<HeldByNats>('nats', async () => {
  // One for each codec, as a server does not take the same ids again.
  const server = await startNats({ release: '2.15' })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const plain = await connect({ servers: server.url })
  onTestFinished(() => plain.close())
  const { transport } = await open(server.url, { duplicateWindowMs: 100 })
  const heard: HeldByNats[] = []
  return {
    transport,
    async listen() {
      plain.subscribe(everything, {
        callback: (_, { subject, headers, data }) => void heard.push(heldAt(subject, headers, data)),
      })
      await plain.flush()
    },
    heard: () => heard,
    async write(vectors) {
      for (const held of vectors) {
        await jetstream(plain).publish(held.subject, held.body, { headers: plainHeaders(held) })
      }
    },
    async forget() {
      // Once what was taken now may come again, so may all that was taken before.
      await jetstream(plain).publish(probe, '', { msgID: 'probe' })
      await eventually(async () => assertNew(await jetstream(plain).publish(probe, '', { msgID: 'probe' })))
    },
  }
})

function assertNew({ duplicate }: PubAck): void {
  if (duplicate) throw new Error('The server still knows the id.')
}
