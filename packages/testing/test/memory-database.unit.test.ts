import { AcuseError, type Store } from '@acuse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createMemoryDatabase,
  createVirtualClock,
  MemoryConflictError,
  type MemoryDatabase,
  type MemoryFaultPoint,
  memoryStore,
  type MemoryTx,
  type VirtualClock,
} from '../src/index.ts'
import { contextOf } from './memory-harness.ts'
import { wire } from '../src/conformance/messages.ts'

let clock: VirtualClock
let database: MemoryDatabase
let store: Store<MemoryTx>

beforeEach(async () => {
  clock = createVirtualClock()
  database = createMemoryDatabase(clock)
  store = await memoryStore(database)(contextOf('one', clock))
})

describe('a test’s own tables', () => {
  it('show a transaction its own writes, and others only what is committed', async () => {
    await store.transaction(async (tx) => {
      const stock = tx.table<number>('stock')
      stock.set('apple', 3)
      stock.set('pear', 1)
      expect(stock.delete('pear')).toBe(true)
      expect(stock.delete('plum')).toBe(false)
      expect(stock.entries()).toEqual([['apple', 3]])
      expect(database.table('stock').size).toBe(0)
    })
    expect([...database.table('stock')]).toEqual([['apple', 3]])
  })

  it('forget everything at a rollback, also what was changed inside a row', async () => {
    await store.transaction(async (tx) => tx.table<string[]>('carts').set('ann', ['book']))
    const work = store.transaction(async (tx) => {
      tx.table<string[]>('carts').get('ann')?.push('pen')
      tx.table<string[]>('carts').set('bob', [])
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect([...database.table('carts')]).toEqual([['ann', ['book']]])
  })

  it('let the first of two conflicting transactions win, and the second one fail as a conflict', async () => {
    const increment = (): Promise<void> =>
      store.transaction(async (tx) => {
        const counters = tx.table<number>('counters')
        const count = counters.get('visits') ?? 0
        await Promise.resolve()
        counters.set('visits', count + 1)
      })
    const results = await Promise.allSettled([increment(), increment()])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    const [, second] = results
    const reason: unknown = second?.status === 'rejected' ? second.reason : undefined
    expect(reason).toBeInstanceOf(MemoryConflictError)
    expect(store.classify(reason)).toBe('conflict')
    await increment()
    expect(database.table('counters').get('visits')).toBe(2)
  })

  it('can be guarded by a lock, so that both transactions succeed', async () => {
    const increment = (): Promise<void> =>
      store.transaction(async (tx) => {
        await tx.lock('visits')
        const counters = tx.table<number>('counters')
        const count = counters.get('visits') ?? 0
        await Promise.resolve()
        counters.set('visits', count + 1)
      })
    await Promise.all(Array.from({ length: 10 }, increment))
    expect(database.table('counters').get('visits')).toBe(10)
  })
})

describe('locks', () => {
  it('end a deadlock with a conflict for one of the two', async () => {
    const takeBoth = (first: string, second: string): Promise<void> =>
      store.transaction(async (tx) => {
        await tx.lock(first)
        await clock.settle()
        await tx.lock(second)
      })
    const results = await Promise.allSettled([takeBoth('a', 'b'), takeBoth('b', 'a')])
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    const failure = results.find((result) => result.status === 'rejected')
    expect(store.classify(failure?.reason)).toBe('conflict')
  })

  it('are free again when their transaction is over', async () => {
    await expect(
      store.transaction(async (tx) => {
        await tx.lock('a')
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await store.transaction((tx) => tx.lock('a'))
  })
})

describe('a failed statement', () => {
  it('aborts its transaction: nothing more runs in it, and nothing is committed', async () => {
    database.failNext('append', new Error('disk full'))
    const message = wire('a1', { stream: 's' })
    const work = store.transaction(async (tx) => {
      tx.table<number>('rows').set('a', 1)
      await expect(store.append(tx, [message])).rejects.toThrow('disk full')
      await expect(store.append(tx, [message])).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
      expect(store.isTransaction(tx)).toBe(true)
    })
    await expect(work).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
    expect(database.table('rows').size).toBe(0)
    expect(database.appended()).toEqual([])
  })
})

describe('faults', () => {
  const away = new AcuseError('ACUSE_STORE_UNAVAILABLE', 'the database is away')

  it.each<MemoryFaultPoint>(['begin', 'append', 'commit'])('at %s leave nothing behind, once', async (point) => {
    database.failNext(point, away)
    const publish = (): Promise<void> =>
      store.transaction(async (tx) => {
        tx.table<number>('rows').set('a', 1)
        await store.append(tx, [wire('a1', { stream: 's' })])
      })
    await expect(publish()).rejects.toBe(away)
    expect(store.classify(away)).toBe('unavailable')
    expect(database.table('rows').size).toBe(0)
    expect(database.appended()).toHaveLength(0)
    await publish()
    expect(database.appended()).toHaveLength(1)
  })

  it('after a commit leave everything behind, as a connection lost during COMMIT may', async () => {
    database.failNext('afterCommit', away)
    await expect(store.transaction((tx) => store.append(tx, [wire('a1', { stream: 's' })]))).rejects.toBe(away)
    expect(database.appended()).toHaveLength(1)
  })

  it('wait in line, each at its own point', async () => {
    database.failNext('claim', new Error('first'))
    database.failNext('claim', new Error('second'))
    database.failNext('dispatch', new Error('third'))
    const claim = (): Promise<unknown> => store.parked.claim('g', { limit: 1, leaseMs: 1_000, crashed: false })
    await expect(claim()).rejects.toThrow('first')
    await expect(claim()).rejects.toThrow('second')
    await claim()
    await expect(store.schedule.dispatch(1)).rejects.toThrow('third')
    expect(await store.schedule.dispatch(1)).toEqual({ appended: 0, nextDueInMs: null })
  })
})

describe('a crashed instance', () => {
  it('loses its open transactions and can do nothing more, while others go on', async () => {
    const other = await memoryStore(database)(contextOf('two', clock))
    const item = { message: wire('a1', { stream: 's', key: 'a' }), ordered: true }
    const resume = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const work = store.transaction(async (tx) => {
      tx.table<number>('rows').set('a', 1)
      await store.inbox.accept(tx, 'g', [item])
      begun.resolve()
      await resume.promise
    })
    await begun.promise
    const waiting = other.transaction((tx) => other.inbox.accept(tx, 'g', [item]))
    database.crash('one')
    expect(await waiting).toEqual(['new'])
    resume.resolve()
    await expect(work).rejects.toMatchObject({ code: 'ACUSE_STORE_UNAVAILABLE' })
    await expect(store.transaction(async () => 1)).rejects.toMatchObject({ code: 'ACUSE_STORE_UNAVAILABLE' })
    await expect(store.schedule.now()).rejects.toMatchObject({ code: 'ACUSE_STORE_UNAVAILABLE' })
    expect(database.table('rows').size).toBe(0)
  })

  it('leaves what it had claimed to run out', async () => {
    const other = await memoryStore(database)(contextOf('two', clock))
    const message = wire('a1', { stream: 's', key: 'a' })
    const request = { message, reason: 'external', ordered: true, attempts: 0, dueInMs: 0, leaseMs: 60_000 } as const
    await store.transaction((tx) => store.parked.park(tx, 'g', request))
    database.crash('one')
    const crashed = { limit: 1, leaseMs: 60_000, crashed: true }
    expect((await other.parked.claim('g', crashed)).claimed).toEqual([])
    await clock.advance({ seconds: 61 })
    expect((await other.parked.claim('g', crashed)).claimed).toMatchObject([{ attempts: 1, crashed: true }])
  })
})

describe('one database', () => {
  it('tells its own transactions from those of another', async () => {
    const elsewhere = await memoryStore(createMemoryDatabase(clock))(contextOf('one', clock))
    await elsewhere.transaction(async (tx) => {
      expect(elsewhere.isTransaction(tx)).toBe(true)
      expect(store.isTransaction(tx)).toBe(false)
    })
  })

  it('is made by the first bus that opens a store without one, and shared by the next', async () => {
    const factory = memoryStore()
    const [one, two] = [await factory(contextOf('one', clock)), await factory(contextOf('two', clock))]
    expect(one.log.identity).toBe(two.log.identity)
    expect(one.log.identity).not.toBe(store.log.identity)
  })
})
