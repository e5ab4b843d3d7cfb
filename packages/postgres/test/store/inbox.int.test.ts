import type { PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InboxItem, Store, Verdict } from '@acuse/core'
import { message } from '../messages.ts'
import { openTestStore, type TestStore } from './store-fixture.ts'

let fixture: TestStore
let store: Store<PoolClient>
let other: Store<PoolClient>

beforeAll(async () => {
  fixture = await openTestStore()
  store = fixture.store
  other = await fixture.openAnother()
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const item = (parts: Parameters<typeof message>[0] = {}): InboxItem => ({ message: message(parts), ordered: true })
const accept = (tx: PoolClient, items: readonly InboxItem[], by = store, group = 'g'): Promise<readonly Verdict[]> =>
  by.inbox.accept(tx, group, items)

/** Waits until a backend of this database waits for a lock. */
async function untilSomebodyWaits(): Promise<void> {
  for (;;) {
    const rows = await fixture.database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    if (rows.length > 0) return
  }
}

describe('accepting', () => {
  it('gives each item its verdict, in order: a second of one id in a batch is a duplicate, or a conflict with another body', async () => {
    const one = item({ key: 'k1', text: '1' })
    const changed = { ...one, message: { ...one.message, body: Buffer.from('2') } }
    const verdicts = await store.transaction((tx) => accept(tx, [one, item(), one, changed]))
    expect(verdicts).toEqual(['new', 'new', 'duplicate', 'conflict'])
    expect(await store.transaction((tx) => accept(tx, [changed]))).toEqual(['conflict'])
    expect(await store.transaction((tx) => accept(tx, [one]))).toEqual(['duplicate'])
  })

  it('answers duplicate before blocked, and blocks the whole rest of the key in the batch', async () => {
    const [taken, failing, second, third] = [1, 2, 3, 4].map(() => item({ key: 'k2' }))
    if (!taken || !failing || !second || !third) throw new Error('four were made')
    await store.transaction((tx) => accept(tx, [taken]))
    const request = { message: failing.message, reason: 'retry', ordered: true, attempts: 1, dueInMs: 60_000 } as const
    await store.transaction((tx) => store.parked.park(tx, 'g', request))
    const verdicts = await store.transaction((tx) =>
      accept(tx, [second, taken, failing, third, item({ key: 'elsewhere' })]),
    )
    expect(verdicts).toEqual(['blocked', 'duplicate', 'duplicate', 'blocked', 'new'])
    expect(await store.transaction((tx) => accept(tx, [{ ...second, ordered: false }]))).toEqual(['new'])
  })

  it('takes a thousand in one statement, and an empty batch in none', async () => {
    const items = Array.from({ length: 1_000 }, (_, n) => item({ key: `many-${n % 10}` }))
    const verdicts = await store.transaction((tx) => accept(tx, items))
    expect(new Set(verdicts)).toEqual(new Set(['new']))
    expect(await store.transaction((tx) => accept(tx, []))).toEqual([])
  })

  it('takes ids and keys that hold anything, also in the statement that a transaction begins with', async () => {
    const begin = (items: readonly InboxItem[]): Promise<readonly Verdict[] | undefined> =>
      store.transaction(async (_, verdicts) => verdicts, { accepting: { group: 'g', items } })
    const ids = [
      `'; drop table inbox; --`,
      `'}'`,
      '","',
      String.raw`\'); --`,
      String.raw`\"\\`,
      '{a,b}',
      'null',
      ' ',
      '$1',
      ':x',
      '?',
    ]
    const odd = [
      ...ids.map((id) => item({ id, key: 'NUL \0 inside' })),
      item({ id: 'NUL \0', key: '\ud800 half a pair' }),
      item({ id: 'ü'.repeat(200), key: 'x'.repeat(100_000) }),
    ]
    expect(await store.transaction((tx) => accept(tx, odd))).toEqual(odd.map(() => 'new'))
    expect(await begin(odd)).toEqual(odd.map(() => 'duplicate'))
    const others = odd.map((one) => ({ ...one, message: { ...one.message, id: `${one.message.id} of others` } }))
    expect(await begin(others)).toEqual(odd.map(() => 'new'))
    for (const one of others) expect(await begin([one])).toEqual(['duplicate'])
    expect(await store.transaction((tx) => accept(tx, others))).toEqual(odd.map(() => 'duplicate'))
  })

  it('keeps groups apart', async () => {
    const one = item({ key: 'k3' })
    expect(await store.transaction((tx) => accept(tx, [one], store, 'first'))).toEqual(['new'])
    expect(await store.transaction((tx) => accept(tx, [one], store, 'second'))).toEqual(['new'])
  })
})

describe('accepting at the same time', () => {
  it('an id that another transaction parks meanwhile is a duplicate, and what follows of its key is blocked', async () => {
    const [first, second] = [item({ key: 'k4' }), item({ key: 'k4' })]
    const parked = Promise.withResolvers<void>()
    const held = other.transaction(async (tx) => {
      await other.parked.park(tx, 'g', {
        message: first.message,
        reason: 'retry',
        ordered: true,
        attempts: 1,
        dueInMs: 60_000,
      })
      parked.resolve()
      await untilSomebodyWaits()
    })
    await parked.promise
    // It began before the other committed, so its own view of the tables shows nothing parked.
    expect(await store.transaction((tx) => accept(tx, [first, second, item({ key: 'k5' })]))).toEqual([
      'duplicate',
      'blocked',
      'new',
    ])
    await held
    expect(await store.transaction((tx) => store.parked.parkBehind(tx, 'g', second.message, 10))).toBe('parked')
  })

  it('an id whose other taker rolls back is new', async () => {
    const one = item({ key: 'k6' })
    const taken = Promise.withResolvers<void>()
    const held = other.transaction(async (tx) => {
      await accept(tx, [one], other)
      taken.resolve()
      await untilSomebodyWaits()
      throw new Error('rolled back')
    })
    await taken.promise
    const [verdicts] = await Promise.all([
      store.transaction((tx) => accept(tx, [one])),
      expect(held).rejects.toThrow('rolled back'),
    ])
    expect(verdicts).toEqual(['new'])
  })

  it('batches that share ids in opposite orders never deadlock, and each id is new once', async () => {
    for (let round = 0; round < 20; round++) {
      const items = Array.from({ length: 20 }, () => item())
      const [one, two] = await Promise.all([
        store.transaction((tx) => accept(tx, items)),
        other.transaction((tx) => accept(tx, items.toReversed(), other)),
      ])
      const news = [...one, ...two].filter((verdict) => verdict === 'new')
      expect(news).toHaveLength(20)
      expect([...one, ...two].every((verdict) => verdict === 'new' || verdict === 'duplicate')).toBe(true)
    }
  })
})

describe('purging', () => {
  it('goes by age, and in steps', async () => {
    await store.transaction((tx) => accept(tx, [item()], store, 'purged'))
    await fixture.database.query(`update acuse.inbox set at = at - interval '1 day'`)
    await store.transaction((tx) => accept(tx, [item()], store, 'purged'))
    expect(await store.inbox.purge(3_600_000, 5)).toBe(5)
    while ((await store.inbox.purge(3_600_000, 1_000)) > 0);
    const [row] = await fixture.database.query<{ old: number; young: number }>(
      `select count(*) filter (where at < now() - interval '1 hour')::int as old, count(*) filter (where at > now() - interval '1 hour')::int as young
       from acuse.inbox b where not exists (select from acuse.parked p where p.grp = b.grp and p.id = b.id)`,
    )
    expect(row).toEqual({ old: 0, young: 1 })
  })
})
