import { startNats } from '@acuse-proof/servers'
import type { BrokerKind } from './broker.ts'
import { running } from './running.ts'

export const nats: BrokerKind = {
  name: 'nats',
  title: 'NATS',
  plain: 'JetStream',
  peer: null,
  backlog: 50_000,
  durability:
    'one server, file storage, `sync_interval: 1s`: confirmed when it is written, on disk within a second (with `always` each message waits for a sync of its own, and all go at the pace of the disk)',
  plainPublishes: 'publish with a message id, the ack of each message',
  plainConsumes: 'a durable pull consumer, at most 1,000 unacked, an ack a message',
  packages: ['@nats-io/transport-node', '@nats-io/jetstream'],
  start: async () => running('nats', await startNats({ release: '2.10', jetstream: ['sync_interval: 1s'] })),
}
