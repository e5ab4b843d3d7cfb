import { createBus, systemClock } from '@acuse/core'
import { createMemoryDatabase, eventually, memoryStore, type MemoryTx } from '@acuse/testing'
import { startRabbitMq } from '@acuse-proof/servers'
import type { Bus } from '@acuse/core'
import { connect } from 'amqplib'
import { expect, it } from 'vitest'
import {
  consumeTheirQueue,
  joinNest,
  OrderPlaced,
  publishToTheirExchange,
  runTheTopology,
  seen,
} from '../examples/existing/brokers.ts'

const serviceNamed = (service: string): Bus<MemoryTx> =>
  createBus({ service, store: memoryStore(createMemoryDatabase(systemClock)) })

/** Runs examples/existing/brokers.ts on a server that holds what the page supposes to be there. */
it('the examples of living with what is there do what their page says', async () => {
  await using server = await startRabbitMq({ release: '4.0' })
  const admin = await connect(server.url)
  const channel = await admin.createConfirmChannel()
  for (const queue of ['legacy.orders', 'nest.orders', 'old-shop']) await channel.assertQueue(queue, { durable: true })
  for (const exchange of ['shop.events', 'nest.events']) await channel.assertExchange(exchange, 'topic')
  await channel.bindQueue('nest.orders', 'nest.events', 'order.*')
  await channel.bindQueue('old-shop', 'shop.events', '#')
  const [shop, inventory] = [serviceNamed('shop'), serviceNamed('inventory')]
  consumeTheirQueue(shop, server.url)
  publishToTheirExchange(shop, server.url)
  joinNest(shop, server.url)
  runTheTopology(inventory, shop, server.url)
  await inventory.start()
  await shop.start()
  channel.sendToQueue('legacy.orders', Buffer.from('A-1;20'), { headers: { 'order-number': 'A-1' } })
  await channel.waitForConfirms()
  await shop.publishNow(OrderPlaced({ orderId: 'B-2', total: 30 }))
  await eventually(() => expect(seen.toSorted()).toEqual(['A-1 costs 20', 'B-2 is reserved', 'B-2 of Nest']))
  await eventually(async () => expect((await channel.checkQueue('old-shop')).messageCount).toBe(1))
  await shop.stop()
  await inventory.stop()
  await admin.close()
})
