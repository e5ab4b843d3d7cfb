import type { WireMessage } from '@acuse/core'
import { connect } from 'amqplib'
import type { BrokerPlace } from '../../brokers/place.ts'
import type { PlainClient } from './plain-client.ts'

/** amqplib: a quorum queue with one active consumer, as a group of Acuse has it. */
export async function openRabbitMq({ url, place }: BrokerPlace): Promise<PlainClient> {
  // Two, as people have it: what publishes may be held back by the server.
  const publishing = await connect(url)
  const consuming = await connect(url)
  const channel = await publishing.createConfirmChannel()
  await channel.assertExchange(place, 'topic', { durable: true })
  await channel.assertQueue(place, {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true, 'x-overflow': 'reject-publish' },
  })
  await channel.bindQueue(place, place, '#')
  const publish = (message: WireMessage): Promise<void> =>
    new Promise((resolve, reject) => {
      const { id, type, key, headers, body } = message
      const options = { persistent: true, mandatory: true, messageId: id, contentType: 'application/json' }
      const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      channel.publish(place, type, content, { ...options, headers: { ...headers, key } }, (error: unknown) => {
        if (error === null || error === undefined) resolve()
        else reject(error instanceof Error ? error : new Error('RabbitMQ refused a message.'))
      })
    })
  return {
    batch: 1,
    publish: async (messages) => {
      await Promise.all(messages.map(publish))
    },
    consume: async (atOnce, onTaken) => {
      const reading = await consuming.createChannel()
      await reading.prefetch(atOnce)
      const { consumerTag } = await reading.consume(place, (message) => {
        if (message === null) return
        onTaken(1)
        reading.ack(message)
      })
      return async () => {
        await reading.cancel(consumerTag)
        await reading.close()
      }
    },
    close: async () => {
      await publishing.close()
      await consuming.close()
    },
  }
}
