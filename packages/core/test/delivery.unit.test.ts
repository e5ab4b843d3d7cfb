import { AcuseError, createBus, exponential, saga } from '@acuse/core'
import { createMemoryDatabase, createVirtualClock, memoryStore, memoryTransport, type MemoryTx } from '@acuse/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Cancelled, effect, Noticed, Placed, setting } from './setting.ts'

describe('the relay', () => {
  it('sends what is committed to a transport of its own, in order per key', async () => {
    const { bus, clock, effects, told } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, `${message.data.orderId}${message.data.n}`)),
      { separate: true },
    )
    for (let n = 0; n < 50; n++) await bus.publishNow(Placed({ orderId: n % 2 === 0 ? 'a' : 'b', n }))
    await clock.advance({ seconds: 5 })
    const ofA = effects().filter((one) => one.startsWith('a'))
    expect(ofA).toEqual(Array.from({ length: 25 }, (_, index) => `a${index * 2}`))
    expect(effects()).toHaveLength(50)
    expect(told('relayed').every(({ delivered }) => delivered)).toBe(true)
    expect((await bus.state()).relaying).toBe(true)
  })

  it('holds a key behind a message that is not confirmed, while other keys go on', async () => {
    const clock = createVirtualClock()
    const transport = memoryTransport(clock)
    const { bus, effects } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, `${message.data.orderId}${message.data.n}`)),
      { transport, on: clock },
    )
    const mend = transport.failPublish(
      ({ key, body }) => key === 'a' && Buffer.from(body).toString().includes('"n":1'),
      new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'the queue is full'),
    )
    for (const n of [0, 1, 2]) for (const orderId of ['a', 'b']) await bus.publishNow(Placed({ orderId, n }))
    await clock.advance({ seconds: 10 })
    expect(effects().toSorted()).toEqual(['a0', 'b0', 'b1', 'b2'])
    mend()
    await clock.advance({ seconds: 10 })
    expect(effects().filter((one) => one.startsWith('a'))).toEqual(['a0', 'a1', 'a2'])
  })

  it('dead-letters what the transport will never take, and its key goes on', async () => {
    const clock = createVirtualClock()
    const transport = memoryTransport(clock)
    const { bus, effects } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, String(message.data.n))),
      { transport, on: clock },
    )
    transport.failPublish(
      ({ body }) => Buffer.from(body).toString().includes('"n":1'),
      new AcuseError('ACUSE_MESSAGE_TOO_LARGE', 'the broker takes at most 10 bytes'),
    )
    for (const n of [0, 1, 2]) await bus.publishNow(Placed({ orderId: 'a', n }))
    await clock.advance({ seconds: 10 })
    expect(effects()).toEqual(['0', '2'])
    expect(await bus.deadLetters.list()).toMatchObject([{ group: '$relay', reason: 'relay' }])
  })

  it('settles a publish that is never confirmed, and tries again', async () => {
    const clock = createVirtualClock()
    const transport = memoryTransport(clock)
    const { bus, effects } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, String(message.data.n))),
      { transport, on: clock },
    )
    const mend = transport.stallPublish(() => true)
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ seconds: 60 })
    expect(effects()).toEqual([])
    mend()
    await clock.advance({ minutes: 2 })
    expect(effects()).toEqual(['1'])
  })

  it('boots while the transport is down, lets the log grow, and sends it when the transport is there', async () => {
    const clock = createVirtualClock()
    const transport = memoryTransport(clock)
    let down = true
    const { bus, effects, told } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, String(message.data.n))),
      {
        on: clock,
        transport: (context) =>
          down ? Promise.reject(new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'refused')) : transport(context),
      },
    )
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ minutes: 1 })
    expect((await bus.state()).connected).toBe(false)
    expect(told('error').length).toBeGreaterThan(1)
    down = false
    await clock.advance({ minutes: 1 })
    expect(effects()).toEqual(['1'])
  })
})

describe('a crash', () => {
  function processes(): {
    clock: ReturnType<typeof createVirtualClock>
    database: ReturnType<typeof createMemoryDatabase>
  } {
    const clock = createVirtualClock()
    return { clock, database: createMemoryDatabase(clock) }
  }

  it('counts as an attempt: a handler that ends its process is dead-lettered at the maximum', async () => {
    const { clock, database } = processes()
    let crashes = 0
    const run = async (): Promise<void> => {
      let instance = ''
      const bus = createBus<MemoryTx>({
        service: 'shop',
        store: (context) => {
          instance = context.instance
          return memoryStore(database)(context)
        },
        clock,
        random: () => 0,
      })
      bus
        .group({ retry: exponential({ attempts: 3, baseMs: 100, maxMs: 100 }), from: 'earliest' })
        .on(Placed, async (message, { tx }) => {
          await effect(tx, `${message.data.orderId}${message.data.n}`)
          if (message.data.orderId === 'poison') {
            crashes++
            database.crash(instance)
            await new Promise(() => undefined)
          }
        })
      await bus.start()
      if (crashes === 0) {
        await bus.transaction(async (_tx, publish) => {
          publish(Placed({ orderId: 'poison', n: 1 }))
          for (let n = 0; n < 5; n++) publish(Placed({ orderId: 'fine', n }))
        })
      }
      await clock.advance({ minutes: 3 })
      onTestFinished(async () => {
        const stopped = bus.stop({ deadlineMs: 100 })
        await clock.advance({ minutes: 2 })
        await stopped.catch(() => undefined)
      })
    }
    for (let round = 0; round < 6; round++) await run()
    // One delivery that was not yet known to be suspect, then three counted attempts at most.
    expect(crashes).toBeLessThanOrEqual(4)
    const { bus } = await setting((b) => void b.group('idle').on(Noticed, () => undefined), { database, on: clock })
    const letters = await bus.deadLetters.list()
    expect(letters.map(({ reason, message }) => [reason, message.key])).toEqual([['crashed', 'poison']])
    const effects = [...database.table('effects').values()].map(String).toSorted()
    expect(effects).toEqual(['fine0', 'fine1', 'fine2', 'fine3', 'fine4'])
  })

  it('between commit and ack changes nothing: the inbox knows', async () => {
    const { clock, database } = processes()
    let instance = ''
    const bus = createBus<MemoryTx>({
      service: 'shop',
      store: (context) => {
        instance = context.instance
        return memoryStore(database)(context)
      },
      clock,
    })
    bus.group().on(Placed, (message, { tx }) => effect(tx, String(message.data.n)))
    await bus.start()
    database.failNext('afterCommit', new AcuseError('ACUSE_STORE_UNAVAILABLE', 'connection lost during COMMIT'))
    await bus.publishNow(Placed({ orderId: 'a', n: 1 })).catch(() => undefined)
    database.failNext('afterCommit', new AcuseError('ACUSE_STORE_UNAVAILABLE', 'connection lost during COMMIT'))
    await clock.settle()
    database.crash(instance)
    const { effects } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, String(message.data.n))),
      {
        database,
        on: clock,
      },
    )
    await clock.advance({ minutes: 2 })
    expect(effects()).toEqual(['1'])
    const stopped = bus.stop({ deadlineMs: 100 })
    await clock.advance({ minutes: 2 })
    await stopped.catch(() => undefined)
  })
})

describe('stopping', () => {
  it('lets handlers finish, gives back what has not begun, and leaves nothing redelivered', async () => {
    const clock = createVirtualClock()
    const database = createMemoryDatabase(clock)
    const slow = async (message: { data: Placed }, { tx }: { tx: MemoryTx }): Promise<void> => {
      await new Promise<void>((resolve) => clock.after(200, resolve))
      await effect(tx, `${message.data.orderId}${message.data.n}`)
    }
    const first = await setting((b) => void b.group({ concurrency: 2 }).on(Placed, slow), { database, on: clock })
    for (let n = 0; n < 10; n++) await first.bus.publishNow(Placed({ orderId: String(n % 5), n }))
    await clock.advance({ ms: 100 })
    const stopped = first.bus.stop({ deadlineMs: 5_000 })
    await clock.advance({ ms: 500 })
    await stopped
    expect(first.effects()).toHaveLength(2)
    const second = await setting((b) => void b.group({ concurrency: 2 }).on(Placed, slow), { database, on: clock })
    await clock.advance({ minutes: 1 })
    expect(second.effects()).toHaveLength(10)
    expect(second.told('duplicate')).toEqual([])
  })

  it('lets a handler that still runs publish, and cancel what it had scheduled', async () => {
    let scheduled = ''
    const { bus, clock, database } = await setting((b) => {
      b.group().on(Placed, async (message, { tx }) => {
        await new Promise<void>((resolve) => clockNow().after(200, resolve))
        await b.publish(tx, Noticed(message.data))
        await b.cancel(tx, scheduled)
      })
    })
    const clockNow = (): typeof clock => clock
    scheduled = (await bus.publishNow(Cancelled({ orderId: 'a', n: 1 }), { deliverAfterMs: 60_000 })).id
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.settle()
    const stopped = bus.stop({ deadlineMs: 5_000 })
    await clock.advance({ seconds: 1 })
    await stopped
    expect(database.appended().map(({ type }) => type)).toEqual(['order.placed', 'order.noticed'])
    await expect(bus.publishNow(Placed({ orderId: 'b', n: 1 }))).rejects.toMatchObject({ code: 'ACUSE_NOT_STARTED' })
  })

  it('aborts a handler that is still running at the deadline', async () => {
    const { bus, clock, database } = await setting((b) => {
      b.group({ timeoutMs: 3_600_000 }).on(Placed, () => new Promise(() => undefined))
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.settle()
    let settled = false
    const stopped = bus.stop({ deadlineMs: 1_000 }).then(() => (settled = true))
    await clock.advance({ ms: 900 })
    expect(settled).toBe(false)
    await clock.advance({ seconds: 60 })
    await stopped
    // It did not fail: the next process applies it, with no attempt spent and no dead letter.
    const next = await setting(
      (b) => void b.group().on(Placed, (message, { tx, attempt }) => effect(tx, `${message.data.orderId} ${attempt}`)),
      { database, on: clock },
    )
    await clock.advance({ minutes: 1 })
    expect(next.effects()).toEqual(['a 1'])
    expect(await next.bus.deadLetters.list()).toEqual([])
  })
})

describe('bad messages', () => {
  it('become dead letters with the raw bytes and the reason, whatever is wrong with them', async () => {
    const clock = createVirtualClock()
    const database = createMemoryDatabase(clock)
    const { bus, effects } = await setting(
      (b) => void b.group().on(Placed, (message, { tx }) => effect(tx, String(message.data.n))),
      { database, on: clock },
    )
    const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': 'x', 'ce-type': 'order.placed' }
    const bodies: [string, Record<string, string>, string][] = [
      ['{"orderId":', headers, 'ACUSE_UNDECODABLE'],
      ['{"orderId":5}', headers, 'ACUSE_SCHEMA_MISMATCH'],
      ['{}', { ...headers, 'ce-typeversion': '9' }, 'ACUSE_UNKNOWN_VERSION'],
      ['{}', { ...headers, 'ce-specversion': '3' }, 'ACUSE_UNDECODABLE'],
      ['{}', {}, 'ACUSE_UNDECODABLE'],
      ['['.repeat(20_000), headers, 'ACUSE_UNDECODABLE'],
    ]
    const store = await memoryStore(database)({
      service: 'stranger',
      instance: 'stranger',
      clock,
      groups: [],
      effectConnections: 1,
      onError: () => undefined,
    })
    await store.transaction((tx) =>
      store.append(
        tx,
        bodies.map(([body, given], index) => ({
          id: String(index),
          type: 'order.placed',
          stream: 'orders',
          key: String(index),
          priority: 'normal' as const,
          headers: given,
          body: Buffer.from(body),
        })),
      ),
    )
    await clock.advance({ seconds: 5 })
    const letters = await bus.deadLetters.list()
    const byId = letters.toSorted((a, b) => Number(a.message.id) - Number(b.message.id))
    expect(byId.map(({ error }) => error.code)).toEqual(bodies.map(([, , code]) => code))
    expect(Buffer.from(byId[0]?.message.body ?? []).toString()).toBe('{"orderId":')
    expect(effects()).toEqual([])
  })
})

describe('starting', () => {
  it('lets handlers publish, and sagas react, before it is over', async () => {
    const clock = createVirtualClock()
    const database = createMemoryDatabase(clock)
    const first = await setting((b) => void b.group('first').on(Noticed, () => undefined), { database, on: clock })
    await first.bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    const counting = saga<number>('counting', () => 0).on(
      Placed,
      { id: ({ data }) => data.orderId, starts: true },
      (state) => ({ state: state + 1, publish: [Noticed({ orderId: 'by the saga', n: 1 })] }),
    )
    // The registration of a cron entry is the last step of a start; here it waits until handlers have run.
    const slow = createBus<MemoryTx>({
      service: 'slow',
      clock,
      store: async (context) => {
        const store = await memoryStore(database)(context)
        const registerCron = async (): Promise<void> => new Promise((resolve) => clock.after(1_000, resolve))
        const consume: typeof store.log.consume = async (source, sink) => {
          const subscription = await store.log.consume(source, sink)
          await new Promise<void>((resolve) => clock.after(1_000, resolve))
          return subscription
        }
        return { ...store, log: { ...store.log, consume }, schedule: { ...store.schedule, registerCron } }
      },
    })
    slow.saga(counting, { from: 'earliest' })
    slow.group({ from: 'earliest' }).on(Placed, async ({ data }, { tx }) => {
      await slow.publish(tx, Noticed({ ...data, orderId: 'by the handler' }))
    })
    const started = slow.start()
    await clock.advance({ seconds: 10 })
    await started
    onTestFinished(async () => {
      const stopped = slow.stop()
      await clock.advance({ minutes: 1 })
      await stopped
    })
    const noticed = database.appended().filter(({ type }) => type === 'order.noticed')
    expect(noticed.map(({ body }) => String(JSON.parse(Buffer.from(body).toString()).orderId)).toSorted()).toEqual([
      'by the handler',
      'by the saga',
    ])
    expect(await first.bus.deadLetters.list()).toEqual([])
  })

  it('refuses what cannot work, naming it', async () => {
    const clock = createVirtualClock()
    const bus = createBus<MemoryTx>({ service: 'shop', store: memoryStore(), clock })
    await expect(bus.publishNow(Placed({ orderId: 'a', n: 1 }))).rejects.toMatchObject({ code: 'ACUSE_NOT_STARTED' })
    const group = bus.group()
    group.on(Placed, () => undefined)
    expect(() => group.on(Placed, () => undefined)).toThrow(/group shop has a handler for order.placed already/)
    expect(() => bus.group()).toThrow(/group shop is declared twice/)
    expect(() => bus.group('a; drop table log')).toThrow(/not a valid name/)
    expect(() => bus.group('x'.repeat(64))).toThrow(/64 bytes/)
    expect(() => bus.group('g', { concurrency: Number.NaN })).toThrow(/concurrency must be a finite number/)
    expect(() => exponential({ attempts: 3, baseMs: -1, maxMs: 1 })).toThrow(/baseMs/)
    expect(() => createBus({ service: 'no good', store: memoryStore() })).toThrow(/service/)
    await bus.start()
    onTestFinished(() => bus.stop())
    expect(() => group.on(Cancelled, () => undefined)).toThrow(/runs already/)
    await expect(bus.start()).rejects.toMatchObject({ code: 'ACUSE_ALREADY_STARTED' })
    await expect(bus.publish({} as MemoryTx, Placed({ orderId: 'a', n: 1 }))).rejects.toMatchObject({
      code: 'ACUSE_NOT_IN_TRANSACTION',
    })
  })
})
