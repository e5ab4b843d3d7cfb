import type { WireMessage } from '@acuse/core'
import type { BrokerName, BrokerPlace } from '../../brokers/place.ts'
import { repeat, Tally } from '../../loops.ts'
import { wireMessages } from '../../wire-messages.ts'
import type { Contestant } from '../contestant.ts'
import type { PlainClient } from './plain-client.ts'

const clients: Readonly<Record<BrokerName, (on: BrokerPlace) => Promise<PlainClient>>> = {
  kafka: async (on) => (await import('./kafka.ts')).openKafka(on),
  nats: async (on) => (await import('./nats.ts')).openNats(on),
  rabbitmq: async (on) => (await import('./rabbitmq.ts')).openRabbitMq(on),
  redis: async (on) => (await import('./redis.ts')).openRedis(on),
}

const loadingAtOnce = 2_000

/** The broker's client as it comes: no outbox, no inbox, nothing that dedupes or keeps the order of keys through failures. */
export async function openPlain(on: BrokerPlace): Promise<Contestant> {
  const client = await clients[on.broker](on)
  let waiting = 0
  let published = 0
  const sending = (keys: number): ((size: number) => Promise<number>) => {
    const messageOf = wireMessages(on.place, keys)
    return async (size) => {
      const batch: WireMessage[] = Array.from({ length: size }, () => messageOf(published++))
      await client.publish(batch)
      waiting += size
      return size
    }
  }
  return {
    publish: async ({ ms, atOnce, keys }) => {
      const send = sending(keys)
      return repeat({ ms, atOnce: Math.max(1, Math.floor(atOnce / client.batch)) }, () => send(client.batch))
    },
    load: async ({ count, keys }) => {
      const startedAt = performance.now()
      const missing = Math.max(0, count - waiting)
      const send = sending(keys)
      let begun = 0
      const loop = async (): Promise<void> => {
        while (begun < missing) {
          begun += client.batch
          await send(client.batch)
        }
      }
      await Promise.all(Array.from({ length: Math.floor(loadingAtOnce / client.batch) }, loop))
      return { count: missing, ms: performance.now() - startedAt }
    },
    drain: async ({ ms, warmMs, atOnce }) => {
      const tally = new Tally({ ms, warmMs })
      const stop = await client.consume(atOnce, (count) => tally.add(count))
      const result = await tally.result
      await stop()
      waiting -= tally.seen
      return result
    },
    close: () => client.close(),
  }
}
