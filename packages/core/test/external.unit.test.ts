import { type Claimed, exponential } from '@acuse/core'
import { createMemoryDatabase, createVirtualClock, memoryStore } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { effect, Noticed, Placed, setting } from './setting.ts'

const quick = exponential({ attempts: 3, baseMs: 1_000, maxMs: 10_000, jitter: 0 })

describe('an external handler', () => {
  it('gets a stable idempotency key, retries, and publishes with its outcome', async () => {
    const keys: string[] = []
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: quick })
        .onExternal(Placed, async (message, { idempotencyKey, attempt, publish }) => {
          keys.push(idempotencyKey)
          if (attempt < 3) throw new Error('not yet')
          publish(Noticed(message.data))
        })
        .on(Noticed, (message, { tx }) => effect(tx, `noticed ${message.data.orderId}`))
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ seconds: 10 })
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(1)
    expect(effects()).toEqual(['noticed a'])
  })

  it('keeps the order of a key while it runs and fails', async () => {
    const done: string[] = []
    let failures = 1
    const { bus, clock } = await setting((b) => {
      b.group({ retry: quick }).onExternal(Placed, (message) => {
        if (message.data.n === 1 && failures-- > 0) throw new Error('not yet')
        done.push(`${message.data.orderId}${message.data.n}`)
      })
    })
    for (const orderId of ['a', 'b']) for (const n of [1, 2, 3]) await bus.publishNow(Placed({ orderId, n }))
    await clock.advance({ seconds: 10 })
    expect(done.filter((one) => one.startsWith('a'))).toEqual(['a1', 'a2', 'a3'])
    expect(done.filter((one) => one.startsWith('b'))).toEqual(['b1', 'b2', 'b3'])
  })

  it('at most once: dead-lettered on its first failure', async () => {
    let calls = 0
    const { bus, clock } = await setting((b) => {
      b.group({ retry: quick }).onExternal(
        Placed,
        () => {
          calls++
          throw new Error('who knows')
        },
        { delivery: 'at-most-once' },
      )
    })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ minutes: 1 })
    expect(calls).toBe(1)
    expect((await bus.deadLetters.list()).map(({ reason }) => reason)).toEqual(['at-most-once'])
  })

  it('whose lease is another’s by the time it has finished gives up, and lets the next of its key go', async () => {
    const clock = createVirtualClock()
    const inner = memoryStore(createMemoryDatabase(clock))
    let [first, tries] = ['', 0]
    const { bus } = await setting(
      (b) => {
        b.group({ retry: quick }).onExternal(Placed, () => undefined)
      },
      {
        on: clock,
        // As after a long outage: the lease has run out meanwhile, and the row is another owner's.
        store: async (context) => {
          const store = await inner(context)
          const complete: typeof store.parked.complete = (tx, group, claim) => {
            if (first === '') first = claim.token
            if (claim.token !== first) return store.parked.complete(tx, group, claim)
            tries++
            return Promise.resolve(false)
          }
          const parked = {
            ...store.parked,
            complete,
            extend: async (_: string, claims: readonly Claimed[]) => claims.map(({ id }) => id),
          }
          return { ...store, parked }
        },
      },
    )
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ minutes: 5 })
    expect(tries).toBe(1)
  })
})
