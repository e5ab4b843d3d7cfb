import {
  Admin,
  Consumer,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
} from '@platformatic/kafka'
import type { BrokerPlace } from '../../brokers/place.ts'
import type { PlainClient } from './plain-client.ts'

const partitions = 4
const commitEveryMs = 100
/** With the 50 MB that it fetches as it comes, it reads for three seconds and hands nothing over meanwhile: 32,000 messages a second, and 175,000 so. */
const fetchBytes = 1_048_576

/** @platformatic/kafka: a topic of four partitions, as a stream of Acuse has them. */
export async function openKafka({ url, place }: BrokerPlace): Promise<PlainClient> {
  const { host } = new URL(url)
  const common = { clientId: `plain-${place}`, bootstrapBrokers: [host] }
  const admin = new Admin(common)
  await admin.createTopics({ topics: [place], partitions, replicas: 1 })
  await admin.close()
  const producer = new Producer({ ...common, idempotent: true, acks: ProduceAcks.ALL })
  return {
    batch: 500,
    publish: async (messages) => {
      await producer.send({
        messages: messages.map(({ id, type, key, headers, body }) => ({
          topic: place,
          key: Buffer.from(key ?? id),
          value: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
          headers: new Map(
            Object.entries({ ...headers, id, type }).map(([name, value]) => [Buffer.from(name), Buffer.from(value)]),
          ),
        })),
      })
    },
    consume: async (_, onTaken) => {
      const consumer = new Consumer({ ...common, groupId: place })
      const stream = await consumer.consume({
        topics: [place],
        mode: MessagesStreamModes.COMMITTED,
        fallbackMode: MessagesStreamFallbackModes.EARLIEST,
        autocommit: commitEveryMs,
        maxBytes: fetchBytes,
      })
      stream.on('data', () => onTaken(1))
      return async () => {
        await stream.close()
        await consumer.close()
      }
    },
    close: () => producer.close(),
  }
}
