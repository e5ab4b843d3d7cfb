import { AcuseError, type ErrorCode, listen, type Store, type StoreContext, type WireMessage } from '@acuse/core'
import { createMemoryDatabase, createVirtualClock, memoryStore, memoryTransport, type MemoryTx } from '@acuse/testing'
import { expect, it, onTestFinished } from 'vitest'
import { effect, Placed, type Setting, setting } from './setting.ts'

const ofKey =
  (...keys: string[]) =>
  ({ key }: WireMessage): boolean =>
    keys.includes(key ?? '')

/** A service whose relay sends to a broker that can be broken, and whose group notes what arrives. */
async function shop(): Promise<
  Setting & {
    readonly breakFor: Break
    readonly stallFor: (which: (message: WireMessage) => boolean) => () => void
    readonly anotherProcess: () => Promise<Setting>
    readonly crash: () => void
  }
> {
  const clock = createVirtualClock()
  const database = createMemoryDatabase(clock)
  const transport = memoryTransport(clock)
  let instance = ''
  const store = (context: StoreContext): Promise<Store<MemoryTx>> => {
    instance = context.instance
    return memoryStore(database)(context)
  }
  const open = (): Promise<Setting> =>
    setting(
      (bus) => void bus.group().on(Placed, (message, { tx }) => effect(tx, `${message.data.orderId}${message.data.n}`)),
      { store, transport, database, on: clock, pollMs: 1_000 },
    )
  return {
    ...(await open()),
    breakFor: (which, code) => transport.failPublish(which, new AcuseError(code, `it is ${code}`)),
    stallFor: (which) => transport.stallPublish(which),
    anotherProcess: open,
    crash: () => database.crash(instance),
  }
}

/** Of key a so many messages stall that they are set aside: 1,100, of which at least 1,000 are. `mend` lets them through. */
async function shopWithKeySetAside(): Promise<Awaited<ReturnType<typeof shop>> & { readonly mend: () => void }> {
  const opened = await shop()
  const mend = opened.breakFor(ofKey('a'), 'ACUSE_DESTINATION_UNAVAILABLE')
  await opened.bus.transaction(async (_tx, publish) => {
    for (let n = 0; n < 1_100; n++) publish(Placed({ orderId: 'a', n }))
  })
  await opened.clock.advance({ seconds: 10 })
  return { ...opened, mend }
}

type Break = (which: (message: WireMessage) => boolean, code: ErrorCode) => () => void

it('a key that stalls is told with its reason and since when, once, and no longer when it goes on', async () => {
  const { bus, clock, told, effects, breakFor } = await shop()
  expect(await bus.state()).toMatchObject({ relay: { unconfirmed: 0, stalled: [], parked: {} } })
  const mend = breakFor(ofKey('a'), 'ACUSE_DESTINATION_UNAVAILABLE')
  const since = new Date(clock.now())
  for (const n of [1, 2]) for (const orderId of ['a', 'b']) await bus.publishNow(Placed({ orderId, n }))
  await clock.advance({ seconds: 10 })
  const { relay } = await bus.state()
  expect(relay).toMatchObject({ unconfirmed: 2, parked: {} })
  expect(relay?.stalled).toMatchObject([
    { stream: 'orders', key: 'a', error: { code: 'ACUSE_DESTINATION_UNAVAILABLE' } },
  ])
  expect(relay?.stalled[0]?.since.getTime()).toBeLessThan(since.getTime() + 2_000)
  expect(relay?.stalled[0]?.attempts).toBeGreaterThan(5)
  expect(told('error')).toHaveLength(1)
  expect(effects()).toEqual(['b1', 'b2'])
  mend()
  await clock.advance({ seconds: 10 })
  expect(effects()).toEqual(['b1', 'b2', 'a1', 'a2'])
  expect(await bus.state()).toMatchObject({ relay: { unconfirmed: 0, stalled: [], parked: {} } })
})

it(
  'one full queue with more messages than the relay holds stops nobody else, and goes on in order when it is mended',
  { timeout: 60_000 },
  async () => {
    const { bus, clock, effects, breakFor } = await shop()
    const mend = breakFor(ofKey('a', 'c'), 'ACUSE_DESTINATION_UNAVAILABLE')
    const each = 1_300
    await bus.transaction(async (_tx, publish) => {
      for (let n = 0; n < each; n++) for (const orderId of ['a', 'c']) publish(Placed({ orderId, n }))
    })
    await clock.advance({ seconds: 10 })
    for (const n of [1, 2, 3]) await bus.publishNow(Placed({ orderId: 'b', n }))
    await clock.advance({ seconds: 10 })
    expect(effects()).toEqual(['b1', 'b2', 'b3'])
    const { relay } = await bus.state()
    const parked = relay?.parked.retry ?? 0
    expect(parked).toBeGreaterThanOrEqual(1_000)
    expect(parked + (relay?.unconfirmed ?? 0)).toBe(2 * each)
    mend()
    await clock.advance({ minutes: 5 })
    for (const orderId of ['a', 'c']) {
      expect(effects().filter((one) => one.startsWith(orderId))).toEqual(
        Array.from({ length: each }, (_, n) => `${orderId}${n}`),
      )
    }
    expect(await bus.state()).toMatchObject({ relay: { unconfirmed: 0, stalled: [], parked: {} } })
  },
)

it('while the whole broker is away nothing is taken out of the log', async () => {
  const { bus, clock, effects, breakFor } = await shop()
  const mend = breakFor(() => true, 'ACUSE_TRANSPORT_UNAVAILABLE')
  await bus.transaction(async (_tx, publish) => {
    for (let n = 0; n < 1_100; n++) publish(Placed({ orderId: `k${n % 50}`, n }))
  })
  await clock.advance({ seconds: 10 })
  expect(await bus.state()).toMatchObject({ relay: { unconfirmed: 1_100, parked: {} } })
  mend()
  await clock.advance({ seconds: 10 })
  expect(effects()).toHaveLength(1_100)
})

it('whoever relays next sends nothing past what was set aside before', { timeout: 60_000 }, async () => {
  const { bus, clock, effects, anotherProcess, mend } = await shopWithKeySetAside()
  expect((await bus.state()).relay?.parked.retry).toBeGreaterThanOrEqual(1_000)
  const stopped = bus.stop({ deadlineMs: 1_000 })
  await clock.advance({ seconds: 5 })
  await stopped
  mend()
  const next = await anotherProcess()
  await next.bus.publishNow(Placed({ orderId: 'a', n: 1_100 }))
  await clock.advance({ minutes: 5 })
  expect(effects()).toEqual(Array.from({ length: 1_101 }, (_, n) => `a${n}`))
})

it('what a relay held that was killed is sent by the next one after seconds', { timeout: 60_000 }, async () => {
  const { clock, effects, anotherProcess, crash, mend } = await shopWithKeySetAside()
  const stopKilling = listen('point', ({ name }) => void (name === 'parked.afterClaim' && crash()))
  await clock.advance({ seconds: 10 })
  stopKilling()
  mend()
  await anotherProcess()
  await clock.advance({ seconds: 30 })
  expect(effects()).toEqual(Array.from({ length: 1_100 }, (_, n) => `a${n}`))
})

it('what a relay is sending, however long that takes, no other relay sends', { timeout: 60_000 }, async () => {
  const { clock, effects, stallFor, anotherProcess, mend } = await shopWithKeySetAside()
  await anotherProcess()
  const goOn = stallFor(ofKey('a'))
  mend()
  await clock.advance({ seconds: 6 })
  let claims = 0
  onTestFinished(listen('point', ({ name }) => void (name === 'parked.afterClaim' && claims++)))
  await clock.advance({ seconds: 20 })
  expect(claims).toBe(0)
  goOn()
  await clock.advance({ minutes: 5 })
  expect(effects()).toEqual(Array.from({ length: 1_100 }, (_, n) => `a${n}`))
})

it('a replayed dead letter of the relay is sent, and is dead once more where the transport still refuses it', async () => {
  const { bus, clock, effects, breakFor } = await shop()
  const mend = breakFor(({ body }) => Buffer.from(body).includes('"n":1'), 'ACUSE_MESSAGE_TOO_LARGE')
  onTestFinished(mend)
  for (const n of [0, 1, 2]) await bus.publishNow(Placed({ orderId: 'a', n }))
  await clock.advance({ seconds: 5 })
  expect(effects()).toEqual(['a0', 'a2'])
  const dead = { group: '$relay', state: 'dead' } as const
  expect(await bus.deadLetters.replay({ group: '$relay' })).toBe(1)
  await clock.advance({ seconds: 5 })
  expect(await bus.deadLetters.list(dead)).toMatchObject([
    { reason: 'relay', error: { code: 'ACUSE_MESSAGE_TOO_LARGE' } },
  ])
  mend()
  expect(await bus.deadLetters.replay(dead)).toBe(1)
  await clock.advance({ seconds: 5 })
  expect(effects()).toEqual(['a0', 'a2', 'a1'])
  expect(await bus.deadLetters.list(dead)).toEqual([])
  expect((await bus.state()).relay?.parked).toEqual({})
})

it('a dead letter of a relay that died before it was done with it is not sent by the next one', async () => {
  const { bus, clock, effects, breakFor, anotherProcess, crash } = await shop()
  const mend = breakFor(ofKey('a'), 'ACUSE_MESSAGE_TOO_LARGE')
  onTestFinished(listen('dead', crash))
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
  await clock.settle()
  mend()
  const next = await anotherProcess()
  await next.bus.publishNow(Placed({ orderId: 'b', n: 1 }))
  await clock.advance({ minutes: 2 })
  expect(effects()).toEqual(['b1'])
  expect(await next.bus.deadLetters.list()).toMatchObject([{ group: '$relay', message: { key: 'a' } }])
})
