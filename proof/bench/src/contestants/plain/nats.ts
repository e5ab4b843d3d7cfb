import type { WireMessage } from '@acuse/core'
import { AckPolicy, type ConsumerConfig, jetstream, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { connect, headers as newHeaders, type NatsConnection } from '@nats-io/transport-node'
import type { BrokerPlace } from '../../brokers/place.ts'
import type { PlainClient } from './plain-client.ts'

const mostUnacked = 10_000

/** JetStream: a file stream and a durable pull consumer. */
export async function openNats({ url, place }: BrokerPlace): Promise<PlainClient> {
  const connection = await connect({ servers: url })
  const shape: Partial<StreamConfig> = { name: place, subjects: [`${place}.>`], storage: StorageType.File }
  await ask(connection, `STREAM.CREATE.${place}`, shape)
  const config: Partial<ConsumerConfig> = {
    durable_name: place,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: mostUnacked,
  }
  await ask(connection, `CONSUMER.DURABLE.CREATE.${place}.${place}`, { stream_name: place, config })
  const stream = jetstream(connection)
  const publish = async ({ id, type, key, headers: given, body }: WireMessage): Promise<void> => {
    const headers = newHeaders()
    for (const [name, value] of Object.entries(given)) headers.set(name, value)
    if (key !== null) headers.set('key', key)
    await stream.publish(`${place}.${type}`, body, { msgID: id, headers })
  }
  return {
    batch: 1,
    publish: async (messages) => {
      await Promise.all(messages.map(publish))
    },
    consume: async (atOnce, onTaken) => {
      const consumer = await stream.consumers.get(place, place)
      const messages = await consumer.consume({
        max_messages: atOnce,
        callback: (message) => {
          onTaken(1)
          message.ack()
        },
      })
      return async () => {
        await messages.close()
        await connection.flush()
      }
    },
    close: () => connection.close(),
  }
}

async function ask(connection: NatsConnection, what: string, question: object): Promise<void> {
  const answer = await connection.request(`$JS.API.${what}`, JSON.stringify(question))
  const { error } = answer.json<{ readonly error?: { readonly description: string } }>()
  if (error !== undefined) throw new Error(`NATS: ${what}: ${error.description}`)
}
