import { vi } from 'vitest'
import { startKafka } from '../src/kafka/server.ts'
import { testServer } from './contract.ts'
import { createTopic, hasTopic } from './kafka-topics.ts'

// A node is up in 4 s on an idle machine; a test starts up to three of them, beside the servers of another file.
vi.setConfig({ testTimeout: 180_000 })

testServer({
  name: 'Kafka',
  release: '4.4',
  start: async (parent) => await startKafka({ parent }),
  store: async ({ port }) => await createTopic(port, 'kept', 1),
  holds: async ({ port }) => await hasTopic(port, 'kept'),
  startWrongly: async (parent) => await startKafka({ parent, lines: ['num.io.threads=none'] }),
  complaint: /Kafka .* ended while it started\. Its log ends:[^]*num\.io\.threads/,
})
