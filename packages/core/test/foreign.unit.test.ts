import {
  AcuseError,
  type ForeignMapping,
  type ForeignMessage,
  type ForeignSource,
  type ForeignTarget,
  type GroupOptions,
  plainEnvelope,
  type PublishResult,
  type Sink,
  type WireMessage,
} from '@acuse/core'
import type { MemoryTx } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { Cancelled, effect, Noticed, Placed, setting, type Setting } from './setting.ts'

/** A queue of somebody else's, in memory. */
class TheirQueue implements ForeignSource {
  readonly name = 'their queue'
  readonly hasIds: boolean
  readonly acceptRisks: ForeignSource['acceptRisks']
  readonly deadLetters?: TheirQueue
  readonly acked: string[] = []
  opens = 0
  refusesWith: AcuseError | undefined
  #sink: Sink | undefined
  #wireOf: ((message: ForeignMessage) => WireMessage | null) | undefined

  constructor(
    options: Partial<Pick<ForeignSource, 'hasIds' | 'acceptRisks'>> & { readonly deadLetters?: TheirQueue } = {},
  ) {
    this.hasIds = options.hasIds ?? true
    this.acceptRisks = options.acceptRisks ?? []
    if (options.deadLetters !== undefined) this.deadLetters = options.deadLetters
  }

  async open(): ReturnType<ForeignSource['open']> {
    this.opens++
    if (this.refusesWith !== undefined) throw this.refusesWith
    return {
      consume: async ({ wireOf }, sink) => {
        this.#wireOf = wireOf
        this.#sink = sink
        return { pause: () => undefined, resume: () => undefined, stop: async () => undefined }
      },
      [Symbol.asyncDispose]: async () => undefined,
    }
  }

  /** Delivers a body under an id. */
  push(
    id: string | null,
    body: unknown,
    given: Partial<ForeignMessage> & { readonly redelivered?: boolean } = {},
  ): void {
    const { redelivered = false, ...message } = given
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const raw = { address: 'orders', id, key: null, time: null, headers: {}, body: Buffer.from(text), ...message }
    const wire = this.#wireOf?.(raw)
    const ack = (): void => void this.acked.push(text)
    if (wire === null || wire === undefined) return ack()
    this.#sink?.deliver([{ message: wire, partition: 'their queue', redelivered, ack, release: () => undefined }])
  }
}

function consuming(
  source: ForeignSource,
  mapping: ForeignMapping = {},
  options: GroupOptions<MemoryTx> = {},
): Promise<Setting> {
  return setting((bus) => {
    bus.from('legacy', source, mapping, options).on(Placed, ({ data, id, key }, { tx, attempt }) => {
      if (data.n < 0) throw new Error('no such number')
      return effect(tx, `${id} ${key} ${data.n} ${attempt}`)
    })
  })
}

const settled = { ms: 50 }

describe('a place that Acuse did not declare', () => {
  it('gives messages to handlers, with the key of their type, and once each', async () => {
    const queue = new TheirQueue()
    const { clock, effects } = await consuming(queue)
    queue.push('m1', { orderId: 'A', n: 1 })
    queue.push('m2', { orderId: 'B', n: 2 })
    await clock.advance(settled)
    queue.push('m1', { orderId: 'A', n: 1 })
    await clock.advance(settled)
    expect(effects().toSorted()).toEqual(['m1 A 1 1', 'm2 B 2 1'])
    expect(queue.acked).toHaveLength(3)
  })

  it('takes id, type, key and data as the mapping says', async () => {
    const queue = new TheirQueue({ hasIds: false })
    const { clock, effects } = await consuming(queue, {
      type: ({ address }) => (address === 'orders' ? 'order.placed' : null),
      id: ({ headers }) => headers['their-id'] ?? '',
      key: ({ headers }) => headers['their-key'] ?? null,
      decode: ({ body }) => ({ orderId: 'A', n: Number(Buffer.from(body).toString()) }),
    })
    queue.push(null, '7', { headers: { 'their-id': 'x7', 'their-key': 'K' } })
    queue.push(null, '8', { address: 'others' })
    await clock.advance(settled)
    expect(effects()).toEqual(['x7 K 7 1'])
    expect(queue.acked).toEqual(['8', '7'])
  })

  it('reads a codec, and keeps the flow and the time of the envelope', async () => {
    const queue = new TheirQueue({ hasIds: false })
    const seen: unknown[] = []
    const { clock } = await setting((bus) => {
      bus.from('legacy', queue, { codec: plainEnvelope() }).on(Placed, (message) => {
        const { id, correlationId, source, time } = message
        seen.push({ id, correlationId, source, time: time.toISOString() })
      })
    })
    queue.push(null, {
      ...{ eventType: 'order.placed', eventId: 'e1', timestamp: '2025-12-31T00:00:00.000Z', version: '1.0' },
      ...{ data: { orderId: 'A', n: 1 }, metadata: { service: 'old-shop', correlationId: 'flow' } },
    })
    await clock.advance(settled)
    expect(seen).toEqual([{ id: 'e1', correlationId: 'flow', source: 'old-shop', time: '2025-12-31T00:00:00.000Z' }])
  })

  it.each([
    ['bytes that are no JSON', '{not json', {}, 'ACUSE_UNDECODABLE'],
    ['data that is not the schema’s', { orderId: 'A' }, {}, 'ACUSE_SCHEMA_MISMATCH'],
    ['a type without a handler', { orderId: 'A', n: 1 }, { type: () => 'order.unheard-of' }, 'ACUSE_UNKNOWN_TYPE'],
    ['no id', { orderId: 'A', n: 1 }, { id: () => '' }, 'ACUSE_UNDECODABLE'],
    [
      'a mapping that throws',
      { orderId: 'A', n: 1 },
      {
        key: () => {
          throw new Error('no key in it')
        },
      },
      undefined,
    ],
  ])('%s becomes a dead letter with the raw bytes, and is acked', async (_, body, mapping: ForeignMapping, code) => {
    const queue = new TheirQueue()
    const { bus, clock, effects } = await consuming(queue, mapping)
    queue.push('m1', body)
    await clock.advance(settled)
    const [letter, ...more] = await bus.deadLetters.list()
    expect(more).toEqual([])
    expect(letter?.group).toBe('legacy')
    expect(letter?.error.code ?? undefined).toBe(code)
    expect(Buffer.from(letter?.message.body ?? []).toString()).toBe(queue.acked[0])
    expect(effects()).toEqual([])
  })

  it('two messages of the same bytes that cannot be read are two dead letters', async () => {
    const queue = new TheirQueue({ hasIds: false, acceptRisks: ['duplicates'] })
    const { bus, clock } = await consuming(queue)
    queue.push(null, '{not json')
    queue.push(null, '{not json')
    await clock.advance(settled)
    expect(await bus.deadLetters.list()).toHaveLength(2)
    expect(queue.acked).toHaveLength(2)
  })

  it('a dead letter whose mapping was mended is handled when it is replayed', async () => {
    const queue = new TheirQueue()
    let mended = false
    const { bus, clock, effects } = await consuming(queue, {
      type: () => (mended ? 'order.placed' : 'order.unheard-of'),
    })
    queue.push('m1', { orderId: 'A', n: 1 })
    await clock.advance(settled)
    mended = true
    expect(await bus.deadLetters.replay({ group: 'legacy' })).toBe(1)
    await clock.advance({ minutes: 1 })
    expect(effects(), 'what had no type had no key either').toEqual(['m1 null 1 1'])
  })

  it('retries, keeps order per key through failure, and counts a crash as an attempt', async () => {
    const queue = new TheirQueue()
    let fails = true
    const { clock, effects } = await setting((bus) => {
      bus.from('legacy', queue).on(Placed, ({ data }, { tx, attempt }) => {
        if (data.n === 1 && fails) throw new Error('not yet')
        return effect(tx, `${data.orderId}${data.n} ${attempt}`)
      })
    })
    queue.push('m1', { orderId: 'A', n: 1 })
    queue.push('m2', { orderId: 'A', n: 2 })
    queue.push('m3', { orderId: 'B', n: 3 })
    queue.push('m4', { orderId: 'C', n: 4 }, { redelivered: true })
    await clock.advance({ ms: 500 })
    fails = false
    await clock.advance({ minutes: 1 })
    expect(effects().filter((row) => row.startsWith('A'))).toEqual(['A1 2', 'A2 1'])
    expect(effects()).toContain('B3 1')
    expect(effects()).toContain('C4 1')
  })

  it('what the broker took out of the queue becomes a dead letter, unless it was handled before', async () => {
    const expired = new TheirQueue()
    const queue = new TheirQueue({ deadLetters: expired })
    const { bus, clock, effects } = await consuming(queue)
    queue.push('m1', { orderId: 'A', n: 1 })
    await clock.advance(settled)
    expired.push('m1', { orderId: 'A', n: 1 }, { takenOut: 'it had expired' })
    expired.push('m2', { orderId: 'A', n: 2 }, { takenOut: 'the queue was full' })
    await clock.advance(settled)
    expect(expired.acked).toHaveLength(2)
    const letters = await bus.deadLetters.list()
    expect(letters.map(({ message, reason, error }) => [message.id, reason, error.code])).toEqual([
      ['m2', 'broker', 'ACUSE_EXPIRED'],
    ])
    expect(letters[0]?.error.message).toContain('the queue was full')
    await bus.deadLetters.replay({ group: 'legacy' })
    await clock.advance({ minutes: 1 })
    expect(effects()).toEqual(['m1 A 1 1', 'm2 A 2 1'])
  })

  it('without ids it is refused by name, unless the risk is accepted by name', async () => {
    await expect(consuming(new TheirQueue({ hasIds: false }))).rejects.toThrow(/acceptRisks: \['duplicates'\]/)
    const queue = new TheirQueue({ hasIds: false, acceptRisks: ['duplicates'] })
    const { clock, effects } = await consuming(queue)
    queue.push(null, { orderId: 'A', n: 1 })
    queue.push(null, { orderId: 'A', n: 1 })
    await clock.advance(settled)
    expect(effects()).toHaveLength(2)
  })

  it('a mapping without types, in a group of several, makes dead letters that say so', async () => {
    const queue = new TheirQueue()
    const { bus, clock } = await setting((declared) => {
      const group = declared.from('legacy', queue)
      group.on(Placed, () => undefined).on(Cancelled, () => undefined)
    })
    queue.push('m1', { orderId: 'A', n: 1 })
    await clock.advance(settled)
    const [letter] = await bus.deadLetters.list()
    expect(letter?.error.message).toContain('give it type')
  })

  it('one that is down holds nothing else up, and is reached when it is there', async () => {
    const queue = new TheirQueue()
    queue.refusesWith = new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'it is down')
    const { bus, clock, effects, told } = await setting((declared) => {
      declared.from('legacy', queue).on(Placed, ({ id }, { tx }) => effect(tx, `theirs ${id}`))
      declared.group().on(Noticed, ({ id }, { tx }) => effect(tx, `ours ${id}`))
    })
    await bus.publishNow(Noticed({ orderId: 'A', n: 1 }), { id: 'n1' })
    await clock.advance(settled)
    expect(effects()).toEqual(['ours n1'])
    expect(told('error').map(({ error }) => error.message)).toContain('it is down')
    expect((await bus.state()).connected).toBe(false)
    queue.refusesWith = undefined
    await clock.advance({ minutes: 1 })
    expect((await bus.state()).connected).toBe(true)
    queue.push('m1', { orderId: 'A', n: 1 })
    await clock.advance(settled)
    expect(effects()).toEqual(['ours n1', 'theirs m1'])
  })

  it('one whose settings are unsafe refuses the start', async () => {
    const queue = new TheirQueue()
    queue.refusesWith = new AcuseError('ACUSE_UNSAFE_SETTING', 'it loses messages')
    await expect(consuming(queue)).rejects.toThrow('it loses messages')
  })

  it('has no history in this log', async () => {
    const { bus } = await consuming(new TheirQueue())
    await expect(bus.history.replay({ group: 'legacy', stream: 'orders' })).rejects.toThrow(/place of others/)
  })
})

/** An exchange that others read, in memory. */
class TheirExchange implements ForeignTarget {
  readonly name = 'their exchange'
  readonly codec = plainEnvelope()
  readonly got: string[] = []
  answer: (message: WireMessage) => PublishResult = () => ({ state: 'delivered' })

  async open(): ReturnType<ForeignTarget['open']> {
    return {
      publish: async (batch) =>
        batch.map((message) => {
          const result = this.answer(message)
          if (result.state === 'delivered') this.got.push(Buffer.from(message.body).toString())
          return result
        }),
      [Symbol.asyncDispose]: async () => undefined,
    }
  }
}

const away: PublishResult = {
  state: 'failed',
  error: new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'their broker is away'),
}
const tooLarge: PublishResult = {
  state: 'failed',
  error: new AcuseError('ACUSE_MESSAGE_TOO_LARGE', 'their broker takes no more than 9 bytes'),
}

describe('a place that others read', () => {
  it('gets what is published, in its own codec, and as it was published', async () => {
    const exchange = new TheirExchange()
    const { bus, clock } = await setting((declared) => declared.forward('to-others', [Placed, Noticed], exchange))
    await bus.publishNow(Placed({ orderId: 'A', n: 1 }), { id: 'm1' })
    await clock.advance(settled)
    expect(exchange.got.map((text): unknown => JSON.parse(text))).toMatchObject([
      { eventType: 'order.placed', eventId: 'm1', aggregateId: 'A', data: { orderId: 'A', n: 1 } },
    ])
  })

  it('a target that is away costs no attempts, holds only the keys it refuses, and gets all in order when it is back', async () => {
    const exchange = new TheirExchange()
    const { bus, clock } = await setting((declared) => declared.forward('to-others', [Placed], exchange))
    exchange.answer = ({ key }) => (key === 'A' ? away : { state: 'delivered' })
    for (const n of [1, 2, 3]) await bus.publishNow(Placed({ orderId: 'A', n }))
    for (const n of [1, 2, 3]) await bus.publishNow(Placed({ orderId: 'B', n }))
    await clock.advance({ minutes: 3 })
    const numbers = (key: string): number[] =>
      exchange.got
        .map((text) => JSON.parse(text) as { readonly data: { readonly orderId: string; readonly n: number } })
        .filter(({ data }) => data.orderId === key)
        .map(({ data }) => data.n)
    expect([numbers('A'), numbers('B')]).toEqual([[], [1, 2, 3]])
    exchange.answer = () => ({ state: 'delivered' })
    await clock.advance({ minutes: 1 })
    expect([numbers('A'), numbers('B')]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ])
    expect(await bus.deadLetters.list()).toEqual([])
  })

  it('what it will never take becomes a dead letter of the group, and its key goes on', async () => {
    const exchange = new TheirExchange()
    const { bus, clock } = await setting((declared) => declared.forward('to-others', [Placed], exchange))
    exchange.answer = ({ id }) => (id === 'm1' ? tooLarge : { state: 'delivered' })
    await bus.publishNow(Placed({ orderId: 'A', n: 1 }), { id: 'm1' })
    await bus.publishNow(Placed({ orderId: 'A', n: 2 }), { id: 'm2' })
    await clock.advance({ minutes: 1 })
    const letters = await bus.deadLetters.list()
    expect(letters.map(({ group, message }) => [group, message.id])).toEqual([['to-others', 'm1']])
    expect(exchange.got).toHaveLength(1)
  })
})
