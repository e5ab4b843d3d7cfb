import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { plainEnvelope } from '@acuse/core'
import { ordersAndInventory, topicExchange, topicQueue, type TopicTopology } from '@acuse/rabbitmq'
import { eventually } from '@acuse/testing'
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { definitionsOf, OrderPlaced, service } from './broker.ts'

const codec = plainEnvelope()

/** As the preset is, with limits that a test can reach, under names of its own. */
const small: TopicTopology = {
  exchanges: ['small.events'],
  deadLetterExchange: 'small.dlq.exchange',
  queues: { 'small.order_events': { exchange: 'small.events', bindings: ['order.*'], maxLength: 3, ttlMs: 400 } },
}

describe.each(['3.10', '4.0'] as const)('a topology of topics on RabbitMQ %s', (release) => {
  let server: RabbitMq
  let admin: ChannelModel
  let channel: ConfirmChannel

  beforeAll(async () => {
    server = await startRabbitMq({ release })
    admin = await connect(server.url)
    channel = await admin.createConfirmChannel()
  })
  afterAll(async () => {
    await admin.close()
    await server[Symbol.asyncDispose]()
  })

  it('the preset of orders and inventory declares exactly its exchanges, queues, bindings and limits, and carries events', async () => {
    const seen: string[] = []
    const inventory = await service(
      (bus) =>
        bus
          .from('inventory', topicQueue(server.url, ordersAndInventory, 'inventory.order_events'), { codec })
          .on(OrderPlaced, ({ id, key, source }) => void seen.push(`${id} ${key} ${source}`)),
      'inventory',
    )
    const orders = await service(
      (bus) =>
        bus.forward('events', [OrderPlaced], topicExchange(server.url, ordersAndInventory, 'orders.events', { codec })),
      'orders',
    )
    await orders.publishNow(OrderPlaced({ orderId: 'A', n: 1 }), { id: 'm1' })
    await eventually(() => expect(seen).toEqual(['m1 A orders']))
    const rows = (await definitionsOf(server)).map((line) => line.split('\t'))
    const ofKind = (list: string): string[][] =>
      rows
        .filter(([first]) => first?.startsWith(`${list} `) === true && !/ (amq\..*)?$/.test(first))
        .map(([first = '', ...columns]) => [first.slice(list.length + 1), ...columns])
    expect(ofKind('list_exchanges').map(([name, type, durable]) => `${name} ${type} ${durable}`)).toEqual([
      'dlq.exchange direct true',
      'inventory.events topic true',
      'orders.events topic true',
    ])
    const queues = ofKind('list_queues')
    expect(queues.map(([name, durable]) => `${name} ${durable}`)).toEqual([
      'inventory.order_events true',
      'inventory.order_events.dlq true',
      'orders.inventory_events true',
      'orders.inventory_events.dlq true',
    ])
    const limited = queues.find(([name]) => name === 'orders.inventory_events')?.join(' ')
    expect(limited).toMatch(/x-max-length[^\d]+10000\b/)
    expect(limited).toMatch(/x-message-ttl[^\d]+86400000\b/)
    expect(limited).toMatch(/x-dead-letter-exchange[^a-z]+dlq\.exchange/)
    expect(ofKind('list_bindings').map(([from, to, , key]) => `${from} -> ${to} ${key}`)).toEqual([
      'dlq.exchange -> inventory.order_events.dlq inventory.order_events.dlq',
      'dlq.exchange -> orders.inventory_events.dlq orders.inventory_events.dlq',
      'inventory.events -> orders.inventory_events inventory.*',
      'orders.events -> inventory.order_events order.*',
    ])
    await orders.stop()
    await inventory.stop()
  }, 120_000)

  it('what expires or overflows there is in the dead letter store, and can be replayed', async () => {
    const orders = await service(
      (bus) => bus.forward('events', [OrderPlaced], topicExchange(server.url, small, 'small.events', { codec })),
      'orders',
    )
    for (let n = 1; n <= 5; n++) await orders.publishNow(OrderPlaced({ orderId: 'A', n }), { id: `m${n}` })
    await eventually(async () => expect((await channel.checkQueue('small.order_events.dlq')).messageCount).toBe(5))
    await orders.stop()
    const seen: string[] = []
    const inventory = await service((bus) =>
      bus
        .from('inventory', topicQueue(server.url, small, 'small.order_events'), { codec })
        .on(OrderPlaced, ({ id }) => void seen.push(id)),
    )
    const letters = await eventually(async () => {
      const found = await inventory.deadLetters.list()
      expect(found).toHaveLength(5)
      return found
    })
    const why = letters.map(({ message, error }) => `${message.id} ${error.message.split(': ').at(-1)}`)
    expect(why).toEqual([
      'm1 the queue was full.',
      'm2 the queue was full.',
      'm3 it had expired.',
      'm4 it had expired.',
      'm5 it had expired.',
    ])
    expect((await channel.checkQueue('small.order_events.dlq')).messageCount).toBe(0)
    await inventory.deadLetters.replay({ group: 'inventory' })
    await eventually(() => expect(seen).toEqual(['m1', 'm2', 'm3', 'm4', 'm5']))
    await inventory.stop()
  })
})

it('a queue or exchange that the topology does not have is refused by name', () => {
  expect(() => topicQueue('amqp://localhost', small, 'other')).toThrow('only small.order_events')
  expect(() => topicExchange('amqp://localhost', small, 'other', { codec })).toThrow('only small.events')
})
