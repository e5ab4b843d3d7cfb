import { startRedis } from '@acuse-proof/servers'
import type { BrokerKind } from './broker.ts'
import { running } from './running.ts'

export const redis: BrokerKind = {
  name: 'redis',
  title: 'Redis',
  plain: 'ioredis',
  peer: {
    actor: 'bullmq',
    title: 'BullMQ',
    includes: 'BullMQ: a worker with concurrency 100, removeOnComplete.',
  },
  backlog: 50_000,
  durability: '`appendonly yes` and `appendfsync always`: on disk before it is confirmed',
  plainPublishes: 'XADD, the answer of each',
  plainConsumes: 'XREADGROUP of 1,000 entries of four streams at a time, and an XACK of them',
  packages: ['ioredis', 'bullmq'],
  start: async () => running('redis', await startRedis({ release: '8.0', lines: ['appendfsync always'] })),
}
