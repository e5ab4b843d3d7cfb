import { type Bus, exponential, noRetry } from '@acuse/core'
import type { MemoryTx } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { Cancelled, effect, Noticed, Placed, setting } from './setting.ts'

const slow = exponential({ attempts: 3, baseMs: 60_000, maxMs: 60_000, jitter: 0 })

/** A group that notes what it applies; another one of which that can be switched off. */
function noting(name = 'notes'): (bus: Bus<MemoryTx>) => void {
  return (bus) =>
    bus
      .group(name)
      .on(Placed, ({ data }, { tx }) => effect(tx, `${data.orderId} placed ${data.n}`))
      .on(Cancelled, ({ data }, { tx }) => effect(tx, `${data.orderId} cancelled ${data.n}`))
}

describe('replaying history', () => {
  it('gives a group what it missed, in order per key across types, and nothing that it knows', async () => {
    const first = await setting(noting('other'))
    for (const n of [1, 2]) {
      for (const orderId of ['a', 'b']) await first.bus.publishNow(Placed({ orderId, n }))
    }
    await first.bus.publishNow(Cancelled({ orderId: 'a', n: 3 }))
    await first.clock.settle()
    const { database, clock } = first
    const { bus, effects } = await setting(noting(), { database, on: clock })
    await bus.publishNow(Placed({ orderId: 'b', n: 3 }))
    await clock.settle()
    const before = effects().length
    const request = { group: 'notes', stream: 'orders' }
    expect(await bus.history.count(request)).toMatchObject({ matching: 6, known: 1 })
    expect(await bus.history.replay(request)).toMatchObject({ taken: 5, skipped: 1, done: true })
    await clock.settle()
    const replayed = effects().slice(before)
    expect(replayed.filter((text) => text.startsWith('a'))).toEqual(['a placed 1', 'a placed 2', 'a cancelled 3'])
    expect(replayed.filter((text) => text.startsWith('b'))).toEqual(['b placed 1', 'b placed 2'])
    expect(await bus.history.replay(request)).toMatchObject({ taken: 0, skipped: 6 })
  })

  it('runs again what the group has applied only where that is said', async () => {
    const { bus, clock, effects, told } = await setting(noting())
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await bus.publishNow(Placed({ orderId: 'b', n: 1 }))
    await clock.settle()
    const request = { group: 'notes', stream: 'orders', key: 'a' }
    expect(await bus.history.replay(request)).toMatchObject({ taken: 0, skipped: 1 })
    expect(await bus.history.replay({ ...request, again: true })).toMatchObject({ taken: 1, skipped: 0 })
    await clock.settle()
    expect(effects()).toEqual(['a placed 1', 'b placed 1', 'a placed 1'])
    expect(told('duplicate')).toEqual([])
  })

  it('lets live messages of a key wait behind what is replayed, also while that fails', async () => {
    let broken = true
    const { bus, clock, effects } = await setting((b) => {
      b.group('notes', { retry: slow }).on(Placed, async ({ data }, { tx }) => {
        if (broken && data.n === 1) throw new Error('not yet')
        await effect(tx, `${data.orderId} ${data.n}`)
      })
    })
    broken = false
    for (const n of [1, 2]) await bus.publishNow(Placed({ orderId: 'a', n }))
    await clock.settle()
    broken = true
    await bus.history.replay({ group: 'notes', stream: 'orders', again: true })
    await clock.settle()
    for (const orderId of ['a', 'b']) await bus.publishNow(Placed({ orderId, n: 3 }))
    await clock.settle()
    expect(effects()).toEqual(['a 1', 'a 2', 'b 3'])
    broken = false
    await clock.advance({ minutes: 5 })
    expect(effects()).toEqual(['a 1', 'a 2', 'b 3', 'a 1', 'a 2', 'a 3'])
  })

  it('is cancelled between two pages: what was taken runs, and it goes on from there later', async () => {
    const { bus, clock, effects } = await setting((b) => {
      b.group('other').on(Noticed, () => undefined)
      noting()(b)
    })
    for (let n = 0; n < 25; n++) await bus.publishNow(Placed({ orderId: `order-${n % 5}`, n }))
    await clock.settle()
    const cancel = new AbortController()
    const request = { group: 'notes', stream: 'orders', again: true, most: 20 }
    const ended = bus.history.replay({ ...request, signal: cancel.signal, onProgress: () => cancel.abort() })
    await clock.settle()
    const first = await ended
    expect(first).toMatchObject({ taken: 10, done: false })
    await clock.settle()
    expect(effects()).toHaveLength(35)
    const rest = bus.history.replay({ ...request, after: first.position })
    await clock.advance({ seconds: 5 })
    expect(await rest).toMatchObject({ taken: 15, done: true })
    await clock.settle()
    expect(effects()).toHaveLength(50)
  })

  it('keeps no more waiting than asked, and waits for room where all of it fails', async () => {
    let broken = false
    const { bus, clock, told, effects } = await setting((b) => {
      b.group('notes', { retry: slow }).on(Placed, async ({ data }, { tx }) => {
        if (broken) throw new Error('broken')
        await effect(tx, data.orderId)
      })
    })
    for (let n = 0; n < 60; n++) await bus.publishNow(Placed({ orderId: `order-${n}`, n }))
    await clock.settle()
    broken = true
    let done = false
    const replay = bus.history.replay({ group: 'notes', stream: 'orders', again: true, most: 20 })
    void replay.then(() => (done = true))
    await clock.advance({ seconds: 30 })
    const [state] = (await bus.state()).groups
    expect(state?.parked).toEqual({ retry: 20 })
    expect(done).toBe(false)
    broken = false
    await clock.advance({ minutes: 5 })
    expect(await replay).toMatchObject({ taken: 60, done: true })
    expect(effects()).toHaveLength(120)
    expect(told('dead')).toEqual([])
  })

  it('of a tenant’s key runs that tenant’s messages alone', async () => {
    const { bus, clock, effects } = await setting((b) => {
      b.group('notes').on(Placed, ({ tenant, data }, { tx }) => effect(tx, `${tenant} ${data.orderId}`))
    })
    for (const tenant of ['acme', 'bolt']) await bus.publishNow(Placed({ orderId: 'a', n: 1 }), { tenant })
    await clock.settle()
    const request = { group: 'notes', stream: 'orders', key: 'a', again: true }
    expect(await bus.history.replay({ ...request, tenant: 'bolt' })).toMatchObject({ taken: 1 })
    await clock.settle()
    expect(effects()).toEqual(['acme a', 'bolt a', 'bolt a'])
  })

  it('is refused where the inbox may have forgotten what it took, unless it is to run again', async () => {
    const { bus, clock, effects } = await setting(noting(), { inboxRetentionMs: 3_600_000 })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ hours: 2 })
    const request = { group: 'notes', stream: 'orders' }
    await expect(bus.history.replay(request)).rejects.toMatchObject({ code: 'ACUSE_REPLAY_REFUSED' })
    const from = new Date(clock.now() - 600_000)
    expect(await bus.history.replay({ ...request, from })).toMatchObject({ taken: 0 })
    expect(await bus.history.replay({ ...request, again: true })).toMatchObject({ taken: 1 })
    await clock.settle()
    expect(effects()).toEqual(['a placed 1', 'a placed 1'])
  })

  it('is refused where the log does not reach back so far, and says how far it does', async () => {
    const { bus, clock } = await setting(noting())
    const since = await bus.history.heldSince()
    const request = { group: 'notes', stream: 'orders', from: new Date(clock.now() - 86_400_000) }
    for (const refused of [bus.history.count(request), bus.history.replay(request)]) {
      await expect(refused).rejects.toMatchObject({
        code: 'ACUSE_HISTORY_GONE',
        message: expect.stringContaining(since.toISOString()),
      })
    }
  })

  it('names what cannot be: a group, a stream or a type that nobody handles here, and dates that are none', async () => {
    const { bus } = await setting((b) => {
      noting()(b)
      b.group('dead', { retry: noRetry }).on(Noticed, () => undefined)
    })
    const wrong = [
      [{ group: 'nobody', stream: 'orders' }, /declares no group "nobody", only notes, dead/],
      [{ group: 'notes', stream: 'parcels' }, /handles nothing of stream parcels/],
      [{ group: 'notes', stream: 'orders', types: ['order.noticed'] }, /handles no order.noticed of stream orders/],
      [{ group: 'notes', stream: 'orders', from: new Date('never') }, /from is not a valid date/],
      [{ group: 'notes', stream: 'orders', most: 1 }, /most must be a finite number of at least 10/],
    ] as const
    for (const [request, message] of wrong) {
      await expect(bus.history.replay(request)).rejects.toMatchObject({
        code: 'ACUSE_CONFIGURATION',
        message: expect.stringMatching(message),
      })
    }
  })
})
