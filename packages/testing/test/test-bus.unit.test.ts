import { type Bus, exponential, pause, saga, type StandardSchema, stream } from '@acuse/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createVirtualClock,
  type MemoryTx,
  testBus,
  type TestBus,
  type TestBusOptions,
  type VirtualClock,
} from '../src/index.ts'

interface Subscription {
  readonly id: string
}

const anything: StandardSchema<Subscription> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Subscription }) },
}

const subscriptions = stream('subscriptions')
const declaration = { schema: anything, key: ({ id }: Subscription) => id }
const TrialStarted = subscriptions.message('trial.started', declaration)
const TrialCancelled = subscriptions.message('trial.cancelled', declaration)
const Reminded = subscriptions.message('trial.reminded', declaration)
const TrialEnded = subscriptions.message('trial.ended', declaration)

const dayMs = 86_400_000

/** A reminder after 23 days, the end after 30. */
const trial = saga('trial', () => ({ reminded: false }))
  .on(TrialStarted, { id: ({ data }) => data.id, starts: true }, () => ({
    timeouts: { reminder: 23 * dayMs, end: 30 * dayMs },
  }))
  .on(TrialCancelled, { id: ({ data }) => data.id }, () => ({ complete: true }))
  .onTimeout('reminder', (_state, id) => ({ state: { reminded: true }, publish: [Reminded({ id })] }))
  .onTimeout('end', (_state, id) => ({ publish: [TrialEnded({ id })], complete: true }))

/** A test bus that is stopped when the test ends, with nothing gone wrong in the background. */
async function open(options: TestBusOptions = {}): Promise<TestBus> {
  const test = await testBus(options)
  onTestFinished(async () => {
    await test.stop()
    if (test.errors().length > 0) throw new AggregateError(test.errors())
  })
  return test
}

function countingTimers(clock: VirtualClock): { readonly clock: VirtualClock; readonly fired: () => number } {
  let fired = 0
  const after: VirtualClock['after'] = (delayMs, callback) =>
    clock.after(delayMs, () => {
      fired++
      callback()
    })
  return { clock: { ...clock, after }, fired: () => fired }
}

describe('time', () => {
  it('runs a saga of 30 days in milliseconds, each step on its day', async () => {
    const { clock, fired } = countingTimers(createVirtualClock())
    const { bus, advance, settle, published, applied } = await open({ clock, declare: (one) => one.saga(trial) })
    const start = clock.now()
    await bus.publishNow(TrialStarted({ id: 'ada' }))
    await settle()

    const startedMs = performance.now()
    await advance({ days: 30 })
    const tookMs = performance.now() - startedMs

    const days = published().map(({ type, time }) => [type, (time.getTime() - start) / dayMs])
    expect(days).toEqual([
      ['trial.started', 0],
      ['trial.reminded', 23],
      ['trial.ended', 30],
    ])
    expect(applied().map(({ group, message }) => [group, message.type])).toEqual([
      ['saga.trial', 'trial.started'],
      ['saga.trial', 'acuse.saga.timeout'],
      ['saga.trial', 'acuse.saga.timeout'],
    ])
    // Six loops that look once an hour and one that purges every ten minutes fire 8,640 timers; two more are the timeouts.
    expect(fired()).toBeLessThan(9_000)
    expect(tookMs).toBeLessThan(1_000)
  })

  it('ends a saga that is cancelled on the way', async () => {
    const { bus, advance, settle, published } = await open({ declare: (one) => one.saga(trial) })
    await bus.publishNow(TrialStarted({ id: 'ada' }))
    await settle()
    await advance({ days: 24 })
    await bus.publishNow(TrialCancelled({ id: 'ada' }))
    await settle()
    await advance({ days: 30 })
    expect(published(TrialEnded)).toEqual([])
    expect(published(Reminded)).toHaveLength(1)
  })

  it.each<[string, (bus: Bus<MemoryTx>) => Promise<unknown>]>([
    ['publishNow', (bus) => bus.publishNow(Reminded({ id: 'ada' }), { deliverAfterMs: 250 })],
    [
      'a transaction',
      (bus) => bus.transaction(async (_tx, publish) => publish(Reminded({ id: 'ada' }), { deliverAfterMs: 250 })),
    ],
    [
      'a publish in a transaction',
      (bus) => bus.transaction((tx) => bus.publish(tx, Reminded({ id: 'ada' }), { deliverAfterMs: 250 })),
    ],
    ['a handler', (bus) => bus.publishNow(TrialStarted({ id: 'ada' }))],
    ['a handler that calls the world', (bus) => bus.publishNow(TrialCancelled({ id: 'ada' }))],
  ])('sends what %s scheduled at its moment', async (_name, schedule) => {
    const seen: number[] = []
    const { bus, clock, advance, settle } = await open({
      declare: (one) =>
        one
          .group()
          .on(TrialStarted, ({ data }, { publish }) => void publish(Reminded(data), { deliverAfterMs: 250 }))
          .onExternal(TrialCancelled, ({ data }, { publish }) => void publish(Reminded(data), { deliverAfterMs: 250 }))
          .on(Reminded, () => void seen.push(clock.now() - start)),
    })
    await advance({ minutes: 10 })
    const start = clock.now()
    await schedule(bus)
    await settle()
    await advance({ days: 1 })
    expect(seen).toEqual([250])
  })

  it('fires a cron entry at each of its times', async () => {
    const { published, advance } = await open({
      declare: (one) => one.cron('daily', '0 9 * * *', (dueAt) => Reminded({ id: dueAt.toISOString() })),
    })
    await advance({ days: 30 })
    expect(published(Reminded).map(({ data }) => data.id)).toEqual(
      Array.from({ length: 30 }, (_, day) => new Date(Date.UTC(2030, 0, day + 1, 9)).toISOString()),
    )
  })
})

describe('failure', () => {
  it('shows a message on its way through its retries to the dead letters, and back', async () => {
    let down = true
    const attempts: number[] = []
    const { bus, clock, advance, settle, applied, deadLetters, database } = await open({
      service: 'billing',
      declare: (one) =>
        one
          .group({ retry: exponential({ attempts: 4, baseMs: 1_000, maxMs: 60_000 }) })
          .on(TrialEnded, ({ data }, { tx }) => {
            attempts.push(clock.now() - start)
            if (down) throw new Error('the card was declined')
            tx.table('invoices').set(data.id, 'paid')
          }),
    })
    const start = clock.now()
    await bus.publishNow(TrialEnded({ id: 'ada' }))
    await settle()
    expect(attempts).toEqual([0])

    await advance({ minutes: 1 })
    expect(attempts).toEqual([0, 1_000, 3_000, 7_000])
    const [letter] = await deadLetters({ group: 'billing' })
    expect(letter).toMatchObject({ state: 'dead', attempts: 4, error: { message: 'the card was declined' } })
    expect(applied()).toEqual([])

    down = false
    expect(await bus.deadLetters.replay({ group: 'billing' })).toBe(1)
    await settle()
    expect(database.table('invoices').get('ada')).toBe('paid')
    expect(applied(TrialEnded)).toMatchObject([{ group: 'billing', message: { data: { id: 'ada' } } }])
    expect(await deadLetters({ state: 'dead' })).toEqual([])
  })

  it('counts what has been applied only once it is committed', async () => {
    await using test = await testBus({ declare: (one) => one.group().on(TrialEnded, () => undefined) })
    const { bus, advance, settle, applied, database, errors } = test
    database.failNext('commit', new Error('lost before the commit'))
    await expect(bus.publishNow(TrialEnded({ id: 'nobody' }))).rejects.toThrow('lost before the commit')
    await bus.publishNow(TrialEnded({ id: 'ada' }))
    database.failNext('afterCommit', new Error('lost after the commit'))
    await settle()
    expect(applied()).toHaveLength(1)
    await advance({ minutes: 5 })
    expect(applied().map(({ message }) => message.data)).toEqual([{ id: 'ada' }])
    expect(errors()).toMatchObject([{ code: 'ACUSE_STORE_UNAVAILABLE' }])
  })
})

describe('services', () => {
  it('talk over one broker, each with its own database', async () => {
    const sales = await open({ service: 'sales' })
    const mail = await open({
      service: 'mail',
      clock: sales.clock,
      transport: sales.transport,
      declare: (one) => one.group().on(TrialStarted, ({ data }, { tx }) => tx.table('sent').set(data.id, true)),
    })
    await sales.bus.publishNow(TrialStarted({ id: 'ada' }))
    await sales.settle()
    expect(mail.database.table('sent').has('ada')).toBe(true)
    expect(sales.database.table('sent').has('ada')).toBe(false)
    expect(mail.applied(TrialStarted)).toMatchObject([{ group: 'mail', attempts: 1, message: { source: 'sales' } }])
    expect(mail.published()).toEqual([])
    expect(sales.applied()).toEqual([])
  })

  it('go on where they stopped when their process starts again', async () => {
    const declare = (one: Bus<MemoryTx>): void => one.saga(trial)
    const first = await open({ declare })
    const { clock, transport, database } = first
    await first.bus.publishNow(TrialStarted({ id: 'ada' }))
    await first.settle()
    await first.stop()
    await clock.advance({ days: 29 })
    const second = await open({ declare, clock, transport, database })
    await second.advance({ days: 1 })
    expect(second.published(TrialEnded)).toHaveLength(1)
  })
})

describe('the start and the end', () => {
  it('leaves the start to others when it is asked to', async () => {
    const { bus, settle, applied } = await open({ start: false })
    bus.group().on(TrialStarted, () => undefined)
    await bus.start()
    await bus.publishNow(TrialStarted({ id: 'ada' }))
    await settle()
    expect(applied()).toHaveLength(1)
  })

  it('gives a handler that waits for the clock its time until the deadline', async () => {
    const { bus, clock, settle, stop, applied } = await open({
      declare: (one) => one.group().on(TrialStarted, () => pause(clock, 5_000)),
    })
    await bus.publishNow(TrialStarted({ id: 'ada' }))
    await settle()
    expect(applied()).toEqual([])
    await stop({ deadlineMs: 10_000 })
    expect(applied()).toHaveLength(1)
  })

  it('ends when a handler never does, and says that it was cut off', async () => {
    await using test = await testBus({
      declare: (one) => one.group().on(TrialStarted, () => new Promise<void>(() => undefined)),
    })
    await test.bus.publishNow(TrialStarted({ id: 'ada' }))
    await test.settle()
    await test.stop({ deadlineMs: 1_000 })
    expect(test.applied()).toEqual([])
    expect(test.errors()).toMatchObject([{ code: 'ACUSE_DRAIN_TIMEOUT' }])
  })

  it('rejects as the bus does', async () => {
    await expect(testBus({ service: 'not a name' })).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
  })
})
