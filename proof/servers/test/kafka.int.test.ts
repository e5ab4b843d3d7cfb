import { vi } from 'vitest'
import { askMetadata, request } from '../src/kafka/request.ts'
import { startKafka } from '../src/kafka/server.ts'
import { testServer } from './contract.ts'
import { assertContains } from './support.ts'

vi.setConfig({ testTimeout: 180_000 })

const createTopics = { key: 19, version: 2 } as const

/** A topic of one partition and one replica, in an array of topics; then a timeout of 10 s. */
const kept = Buffer.concat([
  ...[int32(1), Buffer.from([0, 4]), Buffer.from('kept'), int32(1), Buffer.from([0, 1]), int32(0), int32(0)],
  ...[int32(10_000), Buffer.from([0])],
])

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

testServer({
  name: 'Kafka',
  release: '4.4',
  start: async (parent) => await startKafka({ parent }),
  store: async ({ port }) => {
    const created = await request(port, createTopics.key, createTopics.version, kept)
    // After the topic's name an error code of 0.
    assertContains(created.toString('latin1'), 'kept\0\0')
    // The controller has it before the broker.
    await vi.waitFor(async () => assertContains((await askMetadata(port)).toString('latin1'), 'kept'), {
      timeout: 10_000,
    })
  },
  holds: async ({ port }) => (await askMetadata(port)).includes('kept'),
  startWrongly: async (parent) => await startKafka({ parent, lines: ['num.io.threads=none'] }),
  complaint: /Kafka .* ended while it started\. Its log ends:[^]*num\.io\.threads/,
})
