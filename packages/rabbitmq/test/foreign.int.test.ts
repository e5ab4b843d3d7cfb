import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { type ForeignMapping, plainEnvelope } from '@acuse/core'
import { rabbitmqExchange, rabbitmqQueue, type RabbitMqQueueOptions } from '@acuse/rabbitmq'
import { eventually, startFaultProxy } from '@acuse/testing'
import { uniqueName } from '@acuse/testing/conformance'
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { definitionsOf, OrderPlaced, send, service } from './broker.ts'

const never = { declare: 'never', acceptRisks: ['loss'] } as const satisfies RabbitMqQueueOptions
const shared = { declare: 'never', acceptRisks: ['loss', 'order'] } as const satisfies RabbitMqQueueOptions
const byMessageId: ForeignMapping = { id: ({ id }) => id ?? '' }

describe.each(['3.10', '4.0'] as const)('a queue or an exchange of others, on RabbitMQ %s', (release) => {
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

  it.each([
    ['a classic queue that is not durable', { durable: false }],
    ['a classic queue with a limit', { durable: true, maxLength: 100 }],
    ['a quorum queue', { durable: true, arguments: { 'x-queue-type': 'quorum' } }],
  ])('%s is consumed, and nothing is declared', async (_, options) => {
    const queue = uniqueName('legacy')
    await channel.assertQueue(queue, options)
    const before = await definitionsOf(server)
    const seen: string[] = []
    const bus = await service((declared) =>
      declared
        .from('legacy', rabbitmqQueue(server.url, queue, never), byMessageId)
        .on(
          OrderPlaced,
          ({ id, key, data, correlationId }) => void seen.push(`${id} ${key} ${data.n} ${correlationId}`),
        ),
    )
    await send(channel, queue, { orderId: 'A', n: 1 }, { messageId: 'm1' })
    await send(channel, queue, { orderId: 'A', n: 1 }, { messageId: 'm1' })
    await send(channel, queue, { orderId: 'A', n: 2 }, { messageId: 'm2' })
    await send(channel, queue, '{not json', { messageId: 'm3', headers: { 'x-number': 7 } })
    await eventually(() => expect(seen).toEqual(['m1 A 1 m1', 'm2 A 2 m2']))
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters).toHaveLength(1)
      return letters
    })
    expect(letter?.message).toMatchObject({ id: 'm3', headers: { 'x-number': '7' } })
    expect(Buffer.from(letter?.message.body ?? []).toString()).toBe('{not json')
    expect(await definitionsOf(server)).toEqual(before)
    await bus.stop()
    await eventually(async () =>
      expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 0, consumerCount: 0 }),
    )
  })

  it('a queue that may lose is refused by name unless that is accepted by name', () => {
    expect(() => rabbitmqQueue(server.url, 'legacy', { declare: 'never', acceptRisks: [] })).toThrow(
      /acceptRisks: \['loss'\]/,
    )
  })

  it('beside others it waits until it is alone, and says which risk it is; they go on', async () => {
    const queue = uniqueName('legacy')
    await channel.assertQueue(queue, { durable: true })
    const theirs: string[] = []
    const { consumerTag } = await channel.consume(queue, (message) => {
      if (message === null) return
      theirs.push(message.content.toString())
      channel.ack(message)
    })
    const ours: number[] = []
    const bus = await service((declared) =>
      declared
        .from('legacy', rabbitmqQueue(server.url, queue, never), byMessageId)
        .on(OrderPlaced, ({ data }) => void ours.push(data.n)),
    )
    await eventually(() => expect(bus.reported.join()).toContain("acceptRisks: ['order']"))
    await send(channel, queue, { orderId: 'A', n: 1 }, { messageId: 'm1' })
    await eventually(() => expect(theirs).toHaveLength(1))
    expect((await bus.state()).connected).toBe(false)
    await channel.cancel(consumerTag)
    await send(channel, queue, { orderId: 'A', n: 2 }, { messageId: 'm2' })
    await eventually(() => expect(ours).toEqual([2]), { timeoutMs: 15_000 })
    const other = await admin.createChannel()
    other.on('error', () => undefined)
    await expect(other.consume(queue, () => undefined)).rejects.toThrow(/exclusive/)
    await bus.stop()
  })

  it('shared by name, it and the others get each message once between them', async () => {
    const queue = uniqueName('legacy')
    await channel.assertQueue(queue, { durable: true })
    const got: number[] = []
    const theirs = await channel.consume(queue, (message) => {
      if (message === null) return
      got.push((JSON.parse(message.content.toString()) as { readonly n: number }).n)
      channel.ack(message)
    })
    const ours: number[] = []
    const bus = await service((declared) =>
      declared
        .from('legacy', rabbitmqQueue(server.url, queue, shared), byMessageId)
        .on(OrderPlaced, ({ data }) => void ours.push(data.n)),
    )
    const numbers = Array.from({ length: 100 }, (_, index) => index)
    for (const n of numbers) await send(channel, queue, { orderId: `k${n}`, n }, { messageId: `m${n}` })
    await eventually(() => expect([...got, ...ours].toSorted((one, other) => one - other)).toEqual(numbers))
    expect(ours.length).toBeGreaterThan(0)
    expect(got.length).toBeGreaterThan(0)
    await bus.stop()
    await channel.cancel(theirs.consumerTag)
  })

  it('a message whose owner was cut off comes again, and is applied once; a break is outlived', async () => {
    const queue = uniqueName('legacy')
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
    const url = new URL(server.url)
    url.port = String(proxy.port)
    const seen: string[] = []
    const bus = await service((declared) =>
      declared
        .from('legacy', rabbitmqQueue(url.href, queue, never), byMessageId)
        .on(OrderPlaced, ({ id }) => void seen.push(id)),
    )
    for (let n = 0; n < 200; n++) {
      await send(channel, queue, { orderId: `k${n % 7}`, n }, { messageId: `m${n}` })
      if (n % 50 === 25) proxy.reset()
    }
    await eventually(() => expect(new Set(seen).size).toBe(200), { timeoutMs: 20_000 })
    expect(seen).toHaveLength(200)
    await bus.stop()
    await proxy[Symbol.asyncDispose]()
  })

  it('what a dead-letter exchange has taken out of it becomes dead letters of the group', async () => {
    const [queue, dead] = [uniqueName('legacy'), uniqueName('dead')]
    await channel.assertQueue(dead, { durable: true })
    const toDead = { deadLetterExchange: '', deadLetterRoutingKey: dead }
    await channel.assertQueue(queue, { durable: true, maxLength: 1, ...toDead })
    await send(channel, queue, { orderId: 'A', n: 1 }, { messageId: 'm1' })
    await send(channel, queue, { orderId: 'A', n: 2 }, { messageId: 'm2' })
    const seen: string[] = []
    const bus = await service((declared) =>
      declared
        .from('legacy', rabbitmqQueue(server.url, queue, { ...never, deadLetterQueue: dead }), byMessageId)
        .on(OrderPlaced, ({ id }) => void seen.push(id)),
    )
    await eventually(() => expect(seen).toEqual(['m2']))
    const letters = await eventually(async () => {
      const found = await bus.deadLetters.list()
      expect(found).toHaveLength(1)
      return found
    })
    expect(letters.map(({ message, reason }) => [message.id, reason])).toEqual([['m1', 'broker']])
    expect(letters[0]?.error.message).toContain('the queue was full')
    await bus.stop()
  })

  it('an exchange of others gets what is published, in their format, in order per key, and stays as it is', async () => {
    const [exchange, queue] = [uniqueName('theirs'), uniqueName('reads')]
    await channel.assertExchange(exchange, 'topic', { durable: true, internal: false })
    await channel.assertQueue(queue, { durable: true })
    await channel.bindQueue(queue, exchange, 'order.*')
    const before = await definitionsOf(server)
    const bus = await service((declared) =>
      declared.forward('to-theirs', [OrderPlaced], rabbitmqExchange(server.url, exchange, { codec: plainEnvelope() })),
    )
    for (let n = 0; n < 30; n++) await bus.publishNow(OrderPlaced({ orderId: `k${n % 3}`, n }))
    await eventually(async () => expect((await channel.checkQueue(queue)).messageCount).toBe(30))
    const got: { readonly aggregateId: string; readonly data: { readonly n: number } }[] = []
    for (;;) {
      const message = await channel.get(queue, { noAck: true })
      if (message === false) break
      const read = JSON.parse(message.content.toString()) as (typeof got)[number] & { readonly eventId: string }
      expect(message.properties.messageId).toBe(read.eventId)
      expect(message.properties.deliveryMode).toBe(2)
      got.push(read)
    }
    for (const key of ['k0', 'k1', 'k2']) {
      const numbers = got.filter(({ aggregateId }) => aggregateId === key).map(({ data }) => data.n)
      expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
    }
    expect(await definitionsOf(server)).toEqual(before)
    await bus.stop()
  })

  it('a message that no queue takes is told where that is asked for, and delivered where it is not', async () => {
    const exchange = uniqueName('theirs')
    await channel.assertExchange(exchange, 'topic', { durable: true })
    const codec = plainEnvelope()
    const bus = await service((declared) => {
      const target = rabbitmqExchange(server.url, exchange, { codec, mandatory: true })
      declared.forward('told', [OrderPlaced], target, { retry: () => 'dead-letter' })
      declared.forward('not-told', [OrderPlaced], rabbitmqExchange(server.url, exchange, { codec }))
    })
    await bus.publishNow(OrderPlaced({ orderId: 'A', n: 1 }))
    const letters = await eventually(async () => {
      const found = await bus.deadLetters.list()
      expect(found).toHaveLength(1)
      return found
    })
    expect(letters.map(({ group, error }) => [group, error.code])).toEqual([['told', 'ACUSE_UNROUTABLE']])
    await bus.stop()
  })

  it('what is published while the server of the others is away is theirs when it is back', async () => {
    const [exchange, queue] = [uniqueName('theirs'), uniqueName('reads')]
    await channel.assertExchange(exchange, 'topic', { durable: true })
    await channel.assertQueue(queue, { durable: true })
    await channel.bindQueue(queue, exchange, '#')
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
    proxy.set({ kind: 'refuse' })
    const url = new URL(server.url)
    url.port = String(proxy.port)
    const bus = await service((declared) =>
      declared.forward('to-theirs', [OrderPlaced], rabbitmqExchange(url.href, exchange, { codec: plainEnvelope() })),
    )
    for (let n = 0; n < 10; n++) await bus.publishNow(OrderPlaced({ orderId: 'A', n }))
    expect((await channel.checkQueue(queue)).messageCount).toBe(0)
    proxy.set({ kind: 'pass' })
    await eventually(async () => expect((await channel.checkQueue(queue)).messageCount).toBe(10), { timeoutMs: 30_000 })
    await bus.stop()
    await proxy[Symbol.asyncDispose]()
  })
})
