import { type Server, startNats } from '@acuse-proof/servers'
import { type Bus, createBus, plainEnvelope, type StandardSchema, stream, systemClock } from '@acuse/core'
import { natsConsumer, type NatsConsumerOptions, natsForwardSubject } from '@acuse/nats'
import { createMemoryDatabase, eventually, memoryStore, type MemoryTx } from '@acuse/testing'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ask } from './support.ts'

interface Numbered {
  readonly orderId: string
  readonly n: number
}

const schema: StandardSchema<Numbered> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'orderId' in value && 'n' in value
        ? { value: value as Numbered }
        : { issues: [{ message: 'expected an order', path: ['orderId'] }] },
  },
}
const OrderPlaced = stream('orders').message('order.placed', { schema, key: ({ orderId }) => orderId })

async function started(declare: (bus: Bus<MemoryTx>) => void): Promise<Bus<MemoryTx>> {
  const bus = createBus<MemoryTx>({
    ...{ service: 'shop', store: memoryStore(createMemoryDatabase(systemClock)), pollMs: 20 },
  })
  declare(bus)
  await bus.start()
  onTestFinished(() => bus.stop())
  return bus
}

describe.each(['2.10', '2.15'] as const)('a stream of others, on NATS %s', (release) => {
  let server: Server
  let client: NatsConnection

  beforeAll(async () => {
    server = await startNats({ release })
    client = await connect({ servers: server.url })
  })
  afterAll(async () => {
    await client.close()
    await server[Symbol.asyncDispose]()
  })

  /** A stream and a durable consumer of somebody else's. */
  async function theirs(consumer: object = {}, settings: object = {}): Promise<string> {
    const name = `theirs-${randomUUID().slice(0, 8)}`
    const config = { name, subjects: [`${name}.>`], storage: 'file', num_replicas: 1, ...settings }
    await ask(client, `STREAM.CREATE.${name}`, config)
    const durable = { durable_name: 'reads', ack_policy: 'explicit', deliver_policy: 'all', max_ack_pending: 1 }
    await ask(client, `CONSUMER.DURABLE.CREATE.${name}.reads`, {
      stream_name: name,
      config: { ...durable, ...consumer },
    })
    return name
  }

  async function send(name: string, body: unknown): Promise<void> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    await client.request(`${name}.order`, text)
  }

  async function settingsOf(name: string): Promise<unknown> {
    const { config } = await ask<{ readonly config: unknown }>(client, `STREAM.INFO.${name}`)
    const consumers = await ask<{ readonly consumers: readonly string[] }>(client, `CONSUMER.NAMES.${name}`)
    const reads = await ask<{ readonly config: unknown }>(client, `CONSUMER.INFO.${name}.reads`)
    return { config, consumers: consumers.consumers, reads: reads.config }
  }

  const never: NatsConsumerOptions = { declare: 'never' }

  it('is consumed in order, each message once, and stays as it is', async () => {
    const name = await theirs()
    const before = await settingsOf(name)
    const seen: number[] = []
    const bus = await started((declared) => {
      const source = natsConsumer(server.url, name, 'reads', never)
      declared.from('legacy', source).on(OrderPlaced, ({ data }) => void seen.push(data.n))
    })
    const numbers = Array.from({ length: 30 }, (_, n) => n)
    for (const n of numbers) await send(name, { orderId: 'A', n })
    await send(name, '{not json')
    await eventually(() => expect(seen).toEqual(numbers), { timeoutMs: 15_000 })
    const [letter] = await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(letters).toHaveLength(1)
      return letters
    })
    expect(Buffer.from(letter?.message.body ?? []).toString()).toBe('{not json')
    expect(letter?.message.id).toContain(`${name}-31-`)
    await eventually(async () => {
      const info = await ask<{ readonly num_ack_pending: number; readonly num_pending: number }>(
        client,
        `CONSUMER.INFO.${name}.reads`,
      )
      expect([info.num_ack_pending, info.num_pending]).toEqual([0, 0])
    })
    expect(await settingsOf(name)).toEqual(before)
  })

  it('a handler that takes longer than the server waits for an ack is not begun again meanwhile', async () => {
    const name = await theirs({ ack_wait: 300_000_000 })
    const attempts: number[] = []
    const done = Promise.withResolvers<void>()
    await started((declared) => {
      const source = natsConsumer(server.url, name, 'reads', never)
      declared.from('legacy', source).on(OrderPlaced, ({ data }) => {
        attempts.push(data.n)
        return done.promise
      })
    })
    await send(name, { orderId: 'A', n: 1 })
    await eventually(() => expect(attempts).toEqual([1]))
    const delivered = async (): Promise<readonly number[]> => {
      const info = await ask<{ readonly num_redelivered: number; readonly num_ack_pending: number }>(
        client,
        `CONSUMER.INFO.${name}.reads`,
      )
      return [info.num_redelivered, info.num_ack_pending]
    }
    const untilMs = Date.now() + 1_000
    await eventually(async () => {
      expect(await delivered()).toEqual([0, 1])
      expect(Date.now()).toBeGreaterThan(untilMs)
    })
    done.resolve()
    await eventually(async () => expect(await delivered()).toEqual([0, 0]))
    expect(attempts).toEqual([1])
  })

  it.each([
    ['several messages at once', { max_ack_pending: 100 }, {}, /acceptRisks: \['order'\]/],
    ['messages left unread after some deliveries', { max_deliver: 3 }, {}, /max_deliver 3.*acceptRisks: \['loss'\]/s],
    ['a stream in memory', {}, { storage: 'memory' }, /storage memory.*acceptRisks: \['loss'\]/s],
    ['no explicit acks', { ack_policy: 'none' }, {}, /explicit acks/],
  ])('%s is refused by name', async (_, consumer, settings, text) => {
    const name = await theirs(consumer, settings)
    const refused = started((declared) => {
      declared.from('legacy', natsConsumer(server.url, name, 'reads', never)).on(OrderPlaced, () => undefined)
    })
    await expect(refused).rejects.toThrow(text)
  })

  it('a subject that a stream of others takes gets what is published, stored there; one that none takes is unroutable', async () => {
    const name = await theirs()
    const codec = plainEnvelope()
    const bus = await started((declared) => {
      declared.forward('to-theirs', [OrderPlaced], natsForwardSubject(server.url, `${name}.order`, { codec }))
      declared.forward('nowhere', [OrderPlaced], natsForwardSubject(server.url, 'nobody.takes', { codec }), {
        retry: () => 'dead-letter',
      })
    })
    const seen: number[] = []
    await started((declared) => {
      const source = natsConsumer(server.url, name, 'reads', never)
      declared.from('legacy', source, { codec }).on(OrderPlaced, ({ data }) => void seen.push(data.n))
    })
    const numbers = Array.from({ length: 10 }, (_, n) => n)
    for (const n of numbers) await bus.publishNow(OrderPlaced({ orderId: 'A', n }))
    await eventually(() => expect(seen).toEqual(numbers))
    await eventually(async () => {
      const letters = await bus.deadLetters.list()
      expect(new Set(letters.map(({ group, error }) => `${group} ${error.code}`))).toEqual(
        new Set(['nowhere ACUSE_UNROUTABLE']),
      )
      expect(letters).toHaveLength(10)
    })
  })
})
