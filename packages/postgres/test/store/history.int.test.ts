import { replayHistory, systemClock } from '@acuse/core'
import { expect, it } from 'vitest'
import { maintainRing } from '../../src/log/retention.ts'
import { openDb } from '../../src/db.ts'
import { message } from '../messages.ts'
import { openTestStore } from './store-fixture.ts'

const range = { stream: 'orders', types: ['order.placed'] }
const options = { limit: 2, ordered: true, again: false }

it('a replay from which the log takes something away stops, and says since when everything is held', async () => {
  await using fixture = await openTestStore({ log: { retentionMs: 3_600_000, rotateAfterMs: 3_600_000 } })
  const { store, database } = fixture
  await using db = openDb(database.url, { schema: 'acuse', connections: 2, onError: () => undefined })
  const append = (count: number): Promise<void> =>
    store.transaction((tx) =>
      store.append(
        tx,
        Array.from({ length: count }, (_, n) => message({ key: `k${n % 3}` })),
      ),
    )
  await append(5)
  await maintainRing(db, { retentionMs: 1e9, rotateAfterMs: 0 })
  await append(5)
  const begun = await store.history.heldSince()
  const position = await store.history.begin(range)
  const first = await store.history.take('g', range, position, options)
  expect(first).toMatchObject({ taken: 2, skipped: 0 })

  const { emptied } = await maintainRing(db, { retentionMs: 0, rotateAfterMs: 1e9 })
  expect(emptied).toHaveLength(1)
  const since = await store.history.heldSince()
  expect(since > begun).toBe(true)
  await expect(store.history.take('g', range, first.next ?? '', options)).rejects.toMatchObject({
    code: 'ACUSE_HISTORY_GONE',
    message: expect.stringContaining(since.toISOString()),
  })
  expect(await store.parked.counts('g')).toEqual({ replay: 2 })
  expect(await store.history.count('g', range)).toMatchObject({ matching: 5, known: 0 })
})

it('thousands of messages of hundreds of keys are replayed page by page, never with more waiting than asked', async () => {
  await using fixture = await openTestStore()
  const { store } = fixture
  for (let batch = 0; batch < 3; batch++) {
    const messages = Array.from({ length: 600 }, (_, n) => message({ key: `k${(batch * 600 + n) % 450}` }))
    await store.transaction((tx) => store.append(tx, messages))
  }
  let most = 0
  let ran = 0
  const stop = new AbortController()
  const running = (async () => {
    while (!stop.signal.aborted) {
      const { claimed } = await store.parked.claim('g', { limit: 200, leaseMs: 60_000, crashed: false })
      await store.transaction(async (tx) => {
        for (const claim of claimed) await store.parked.complete(tx, 'g', claim)
      })
      ran += claimed.length
    }
  })()
  const progress = await replayHistory(
    store,
    systemClock,
    { group: 'g', range, ordered: true },
    {
      most: 400,
      onProgress: () => {
        void store.parked.counts('g').then(({ replay = 0 }) => (most = Math.max(most, replay)))
      },
    },
  )
  expect(progress).toMatchObject({ taken: 1_800, skipped: 0, done: true })
  await expect.poll(() => ran, { timeout: 20_000 }).toBe(1_800)
  stop.abort()
  await running
  expect(most).toBeLessThanOrEqual(400)
})
