import type { PoolClient } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '@acuse/core'
import { death, message } from '../messages.ts'
import { openTestStore, type TestStore } from './store-fixture.ts'

let fixture: TestStore
let store: Store<PoolClient>
let group: string
let count = 0

beforeAll(async () => {
  fixture = await openTestStore()
  store = fixture.store
})
beforeEach(() => {
  group = `group-${++count}`
})
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const bury = (parts: Parameters<typeof message>[0] = {}, block = false, died = death()): Promise<boolean> =>
  store.transaction((tx) => store.deadLetters.bury(tx, group, message(parts), died, { block }))

describe('dead letters', () => {
  it('keep an error that PostgreSQL could not store, or that would fill the disk, cut and without NUL', async () => {
    const error = { code: 'E\0', name: 'Error', message: `\0${'x'.repeat(50_000)}`, stack: 'at\0 x\n'.repeat(50_000) }
    await bury({}, false, death({ error, fingerprint: 'f\0' }))
    const [letter] = await store.deadLetters.list({ group, fingerprint: 'f\0' })
    expect(letter?.error.code).toBe('E\uFFFD')
    expect(Buffer.byteLength(letter?.error.message ?? '')).toBe(10_240)
    expect(Buffer.byteLength(letter?.error.stack ?? '')).toBeLessThanOrEqual(20_480)
  })

  it('keep headers and keys that hold anything', async () => {
    const headers = { 'x-nul': '\0', 'x-half': '\ud800', "x'; drop table": '"\\' }
    await bury({ headers, key: 'k\0' })
    const [letter] = await store.deadLetters.list({ group, key: 'k\0' })
    expect(letter?.message.headers).toEqual(headers)
  })

  it('are not found by ids that cannot be any', async () => {
    await bury()
    for (const id of ['x', '', '-1', '1; drop table', '9'.repeat(40)]) {
      expect(await store.deadLetters.list({ group, ids: [id] })).toEqual([])
      expect(await store.deadLetters.replay({ group, ids: [id] }, { force: true })).toBe(0)
    }
  })

  it('are replayed and discarded by the thousand, however many keys they hold', async () => {
    for (let n = 0; n < 450; n++) await bury({ key: `key-${n % 300}` }, n < 300)
    expect(await store.deadLetters.replay({ group, limit: 250 }, { force: false })).toBe(250)
    expect(await store.deadLetters.discard({ group, limit: 1_000 })).toBe(200)
    expect(await store.parked.counts(group)).toEqual({ replay: 250 })
    const { claimed } = await store.parked.claim(group, { limit: 1_000, leaseMs: 60_000, crashed: false })
    expect(claimed).toHaveLength(250)
  })

  it('that follow each other in a key are replayed behind the one that holds it', async () => {
    await bury({ key: 'k', text: 'first' }, true)
    await bury({ key: 'k', text: 'second' }, false)
    await bury({ key: 'k', text: 'third' }, false)
    expect(await store.deadLetters.replay({ group }, { force: false })).toBe(3)
    for (const text of ['first', 'second', 'third']) {
      const { claimed } = await store.parked.claim(group, { limit: 10, leaseMs: 60_000, crashed: false })
      expect(claimed.map((claim) => Buffer.from(claim.message.body).toString())).toEqual([text])
      await store.transaction(async (tx) => {
        for (const claim of claimed) await store.parked.complete(tx, group, claim)
      })
    }
    expect(await store.parked.counts(group)).toEqual({})
  })

  it('whose replay is taken back are dead again', async () => {
    await bury({ id: `back-${group}`, key: 'k' })
    await store.deadLetters.replay({ group }, { force: false })
    expect(await store.transaction((tx) => store.parked.remove(tx, group, `back-${group}`))).toBe(true)
    expect((await store.deadLetters.list({ group })).map(({ state }) => state)).toEqual(['dead'])
    expect(await store.deadLetters.replay({ group }, { force: false })).toBe(1)
  })

  it('that hold a key cannot be removed behind the operator’s back', async () => {
    await bury({ id: `held-${group}`, key: 'k' }, true)
    expect(await store.transaction((tx) => store.parked.remove(tx, group, `held-${group}`))).toBe(false)
    expect(await store.parked.counts(group)).toEqual({ dead: 1 })
  })

  it('that the inbox does not know any more are refused as a whole, saying which and from when', async () => {
    await bury({ key: 'old' })
    await store.inbox.purge(0, 1_000_000)
    await fixture.database.query(
      `delete from acuse.inbox b using acuse.inbox_group g, acuse.dead_letter d
       where g.id = b.grp and g.name = '${group}' and d.grp = b.grp and d.id = b.id and d.key = 'old'`,
    )
    await bury({ key: 'young' })
    await expect(store.deadLetters.replay({ group }, { force: false })).rejects.toMatchObject({
      code: 'ACUSE_REPLAY_REFUSED',
      message: expect.stringMatching(new RegExp(`^1 of these dead letters \\(of ${group}; the oldest died at 2`)),
    })
    expect(await store.parked.counts(group)).toEqual({})
    expect(await store.deadLetters.replay({ group, key: 'young' }, { force: false })).toBe(1)
    expect(await store.deadLetters.replay({ group }, { force: true })).toBe(1)
  })
})
