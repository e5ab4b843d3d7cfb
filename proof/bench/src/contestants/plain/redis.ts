import { type WireMessage, partitionHash } from '@acuse/core'
import { Redis } from 'ioredis'
import type { BrokerPlace } from '../../brokers/place.ts'
import type { PlainClient } from './plain-client.ts'

const partitions = 4
const waitMs = 100

/** ioredis: four Redis streams and a consumer group of each, as a stream of Acuse has them. */
export async function openRedis({ url, place }: BrokerPlace): Promise<PlainClient> {
  const publishing = new Redis(url, { protocol: 2 })
  const consuming = new Redis(url, { protocol: 2 })
  const keys = Array.from({ length: partitions }, (_, partition) => `${place}:${partition}`)
  for (const key of keys) await publishing.xgroup('CREATE', key, place, '0', 'MKSTREAM')
  const publish = async (message: WireMessage): Promise<void> => {
    const { id, type, key, headers, body } = message
    const stream = keys[partitionHash(message) % partitions] ?? place
    const fields = ['id', id, 'type', type, 'key', key ?? '', ...Object.entries(headers).flat()]
    await publishing.xadd(stream, '*', ...fields, 'body', Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  }
  return {
    batch: 1,
    publish: async (messages) => {
      await Promise.all(messages.map(publish))
    },
    consume: async (atOnce, onTaken) => {
      const stopping = new AbortController()
      const reading = (async () => {
        while (!stopping.signal.aborted) {
          const read = ['GROUP', place, 'plain', 'COUNT', atOnce, 'BLOCK', waitMs, 'STREAMS'] as const
          const answer: unknown = await consuming.callBuffer('XREADGROUP', [...read, ...keys, ...keys.map(() => '>')])
          for (const [key, ids] of entriesOf(answer)) {
            if (ids.length === 0) continue
            await consuming.xack(key, place, ...ids)
            onTaken(ids.length)
          }
        }
      })()
      return async () => {
        stopping.abort()
        await reading
      }
    },
    close: async () => {
      publishing.disconnect()
      consuming.disconnect()
    },
  }
}

/** The ids by stream, of an answer that is null where nothing was there. */
function entriesOf(answer: unknown): [key: string, ids: string[]][] {
  if (!Array.isArray(answer)) return []
  return answer.map(([key, entries]: [Buffer, [Buffer, unknown][]]) => [
    key.toString(),
    entries.map(([id]) => id.toString()),
  ])
}
