import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { connect } from 'amqplib'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { testVectors } from '../../../test/vectors/suite.ts'
import { type HeldByRabbitMq, heldThere, optionsOf } from './held.ts'
import { open } from './support.ts'

let server: RabbitMq
beforeAll(async () => {
  server = await startRabbitMq({ release: '4.0' })
})
afterAll(() => server[Symbol.asyncDispose]())

testVectors<HeldByRabbitMq>('rabbitmq', async () => {
  const opened = await open(server.url)
  onTestFinished(() => opened[Symbol.asyncDispose]())
  const plain = await connect(server.url)
  onTestFinished(() => plain.close())
  const channel = await plain.createConfirmChannel()
  const heard: HeldByRabbitMq[] = []
  return {
    transport: opened.transport,
    async listen() {
      const { queue } = await channel.assertQueue('', { exclusive: true })
      await channel.bindQueue(queue, 'shop.orders', '#')
      await channel.consume(queue, (came) => void (came !== null && heard.push(heldThere(came))), { noAck: true })
    },
    heard: () => heard,
    async write(vectors) {
      for (const held of vectors) {
        channel.publish(held.exchange, held.routingKey, Buffer.from(held.body), optionsOf(held))
      }
      await channel.waitForConfirms()
    },
  }
})
