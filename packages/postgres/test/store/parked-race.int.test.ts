import type { PoolClient } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { type Claimed, pause, type Store, systemClock, type WireMessage } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { death, message } from '../messages.ts'
import { openTestStore } from './store-fixture.ts'

const keys = ['a', 'b', 'c', 'd', 'e', 'f']
const perKey = 50
const leaseMs = 400
const mostParked = 8

/** What happens to an attempt. */
type Fate = 'applied' | 'retried' | 'buried' | 'crashed'

/** Mulberry32: the same seed gives the same decisions, though not the same interleaving. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

it('with messages failing, dying, crashing and following each other in three processes, none is lost, doubled, stranded or overtaken', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const random = createRandom(seed)
  const fixture = await openTestStore()
  onTestFinished(() => fixture[Symbol.asyncDispose]())
  const stores = [fixture.store, await fixture.openAnother(), await fixture.openAnother()]
  // No unique index, which would hide what is applied twice.
  await fixture.database.query('create table effect (at bigint generated always as identity, key text, n int)')

  const fateOf = (): Fate => {
    const dice = random()
    return dice < 0.6 ? 'applied' : dice < 0.85 ? 'retried' : dice < 0.95 ? 'buried' : 'crashed'
  }
  /** Between what a transaction did and its commit: there the others do not see it yet. */
  const linger = (): Promise<void> => pause(systemClock, random() * 4)
  const apply = (tx: PoolClient, { key, body }: WireMessage): Promise<unknown> =>
    tx.query('insert into effect (key, n) values ($1, $2)', [key, Number(Buffer.from(body).toString())])

  /** Delivers one message until the group has taken it, as a lane does: the next of its key comes after it. */
  async function deliver(store: Store<PoolClient>, sent: WireMessage): Promise<void> {
    for (;;) {
      const verdict = await accept(store, sent).catch((error: unknown) => {
        if (error instanceof Failed) return 'failed' as const
        throw error
      })
      if (verdict === 'failed') {
        const request = { message: sent, reason: 'retry', ordered: true, attempts: 1, dueInMs: random() * 20 } as const
        await store.transaction((tx) => store.parked.park(tx, 'g', request))
        return
      }
      if (verdict !== 'blocked') return
      const place = await store.transaction(async (tx) => {
        const answer = await store.parked.parkBehind(tx, 'g', sent, mostParked)
        await linger()
        return answer
      })
      if (place === 'parked' || place === 'duplicate') return
      if (place === 'full') await pause(systemClock, 5)
    }
  }

  async function accept(store: Store<PoolClient>, sent: WireMessage): Promise<string> {
    return store.transaction(async (tx) => {
      const [verdict = 'none'] = await store.inbox.accept(tx, 'g', [{ message: sent, ordered: true }])
      if (verdict !== 'new') return verdict
      await apply(tx, sent)
      if (random() < 0.4) throw new Failed()
      return verdict
    })
  }

  async function settle(store: Store<PoolClient>, claim: Claimed): Promise<void> {
    const fate = fateOf()
    if (fate === 'crashed') return
    await store
      .transaction(async (tx) => {
        if (fate === 'retried') {
          const outcome = { reason: 'retry', dueInMs: random() * 20, attempts: claim.attempts + 1 } as const
          await store.parked.reschedule(tx, 'g', claim, outcome)
        } else if (fate === 'buried') {
          await store.parked.bury(tx, 'g', claim, death(), true)
        } else {
          await apply(tx, claim.message)
          if (!(await store.parked.complete(tx, 'g', claim))) throw new Failed()
        }
        await linger()
      })
      .catch((error: unknown) => {
        if (!(error instanceof Failed)) throw error
      })
  }

  const stop = new AbortController()
  const claimers = stores.flatMap((store) =>
    [false, false, true].map(async (crashed) => {
      while (!stop.signal.aborted) {
        const { claimed, nextDueInMs } = await store.parked.claim('g', { limit: crashed ? 1 : 3, leaseMs, crashed })
        await Promise.all(claimed.map((claim) => settle(store, claim)))
        await pause(systemClock, Math.min(nextDueInMs ?? 10, 10))
      }
    }),
  )
  const operator = (async () => {
    while (!stop.signal.aborted) {
      await fixture.store.deadLetters.replay({ group: 'g' }, { force: false })
      await pause(systemClock, 10)
    }
  })()

  await Promise.all(
    keys.map(async (key, index) => {
      for (let n = 1; n <= perKey; n++) {
        const store = stores[(index + n) % stores.length]
        if (store !== undefined) await deliver(store, message({ key, text: `${n}` }))
      }
    }),
  )
  // Nothing is stranded: what is parked drains by itself.
  await eventually(async () => expect(await fixture.store.parked.counts('g')).toEqual({}), { timeoutMs: 40_000 })
  stop.abort()
  await Promise.all([...claimers, operator])

  const inOrder = Array.from({ length: perKey }, (_, index) => index + 1)
  for (const key of keys) {
    const rows = await fixture.database.query<{ n: number }>('select n from effect where key = $1 order by at', [key])
    expect(
      rows.map(({ n }) => n),
      `key ${key}, SEED=${seed}`,
    ).toEqual(inOrder)
  }
  const letters = await fixture.store.deadLetters.list({ limit: 1_000 })
  expect(letters.length).toBeGreaterThan(0)
  expect(letters.every(({ state, blocking }) => state === 'replayed' && !blocking)).toBe(true)
  expect(fixture.errors).toEqual([])
})

class Failed extends Error {}
