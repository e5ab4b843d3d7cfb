import { Kafka, logLevel } from 'kafkajs'
import type { BrokerPlace } from '../brokers/place.ts'
import { Tally } from '../loops.ts'
import { itemsOf } from '../payload.ts'
import type { Drainer } from './contestant.ts'

const loadBatch = 1_000
const partitions = 4
const commitEveryMs = 100

/** kafkajs, a message at a time, as its documentation begins. */
export async function openKafkaJs({ url, place }: BrokerPlace): Promise<Drainer> {
  const kafka = new Kafka({ clientId: `kafkajs-${place}`, brokers: [new URL(url).host], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: place, numPartitions: partitions, replicationFactor: 1 }] })
  await admin.disconnect()
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  let waiting = 0
  return {
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      for (let from = 0; from < missing; from += loadBatch) {
        const messages = itemsOf(from, loadBatch, keys).map(({ key, payload }) => ({
          key,
          value: JSON.stringify(payload),
        }))
        await producer.send({ topic: place, messages, acks: -1 })
        waiting += loadBatch
      }
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs }) => {
      const tally = new Tally({ ms, warmMs })
      const consumer = kafka.consumer({ groupId: place })
      await consumer.connect()
      await consumer.subscribe({ topic: place, fromBeginning: true })
      await consumer.run({
        autoCommitInterval: commitEveryMs,
        partitionsConsumedConcurrently: partitions,
        eachMessage: async () => tally.add(),
      })
      const result = await tally.result
      await consumer.disconnect()
      waiting -= tally.seen
      return result
    },
    close: () => producer.disconnect(),
  }
}
