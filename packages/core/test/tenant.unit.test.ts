import { type Bus, exponential, plainEnvelope, saga } from '@acuse/core'
import type { MemoryTx } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { Cancelled, effect, Noticed, Placed, setting } from './setting.ts'

const slow = exponential({ attempts: 3, baseMs: 60_000, maxMs: 60_000, jitter: 0 })
const tenants = ['acme', 'bolt', 'a/b', 'a%2Fb', undefined] as const

const as = (tenant: string | undefined): { tenant?: string } => (tenant === undefined ? {} : { tenant })

describe('two tenants that call everything alike', () => {
  it.each(['CloudEvents', 'the plain envelope'])('have each message applied once, in %s', async (codec) => {
    const options = codec === 'CloudEvents' ? {} : { codec: plainEnvelope() }
    const declare = (b: Bus<MemoryTx>): void => {
      b.group().on(Placed, ({ tenant, key, data }, { tx }) => effect(tx, `${tenant} ${key} ${data.n}`))
    }
    const { bus, clock, effects, told } = await setting(declare, options)
    for (const tenant of [...tenants, ...tenants]) {
      await bus.publishNow(Placed({ orderId: 'order', n: 1 }), { id: 'same', ...as(tenant) })
    }
    await clock.settle()
    expect(effects().toSorted()).toEqual(tenants.map((tenant) => `${tenant ?? 'null'} order 1`).toSorted())
    expect(told('duplicate').filter(({ conflict }) => conflict)).toEqual([])
    expect(told('duplicate')).toHaveLength(tenants.length)
  })

  it('do not wait for each other: one’s failing key holds back nothing of the other', async () => {
    const { bus, clock, effects } = await setting((b) => {
      b.group({ retry: slow }).on(Placed, async ({ tenant, data }, { tx, attempt }) => {
        if (tenant === 'acme' && attempt === 1) throw new Error('not yet')
        await effect(tx, `${tenant} ${data.n}`)
      })
    })
    for (const n of [1, 2]) {
      for (const tenant of ['acme', 'bolt']) await bus.publishNow(Placed({ orderId: 'order', n }), { tenant })
    }
    await clock.settle()
    expect(effects()).toEqual(['bolt 1', 'bolt 2'])
    await clock.advance({ minutes: 5 })
    expect(effects()).toEqual(['bolt 1', 'bolt 2', 'acme 1', 'acme 2'])
  })

  it('give whom they call different idempotency keys, which are the same when published again', async () => {
    const keys: string[] = []
    const { bus, clock } = await setting((b) => {
      b.group().on(Placed, (_message, { idempotencyKey }) => void keys.push(idempotencyKey))
      b.group('again').on(Placed, (_message, { idempotencyKey }) => void keys.push(idempotencyKey))
    })
    for (const tenant of ['acme', 'bolt']) {
      await bus.publishNow(Placed({ orderId: 'order', n: 1 }), { id: 'same', tenant })
    }
    await clock.settle()
    expect(new Set(keys).size).toBe(4)
  })

  it('have sagas of their own, with their timeouts', async () => {
    interface State {
      readonly seen: string[]
    }
    const counting = saga<State>('counting', () => ({ seen: [] }))
      .on(Placed, { id: ({ data }) => data.orderId, starts: true }, ({ seen }, { tenant }) => ({
        state: { seen: [...seen, String(tenant)] },
        timeouts: { done: 1_000 },
      }))
      .on(Cancelled, { id: ({ data }) => data.orderId }, () => ({ complete: true }))
      .onTimeout('done', ({ seen }, sagaId) => ({
        publish: [Noticed({ orderId: `${sagaId} ${seen.join(' ')}`, n: 0 })],
      }))
    const { bus, clock, effects, told } = await setting((b) => {
      b.saga(counting)
      b.group().on(Noticed, ({ tenant, data }, { tx }) => effect(tx, `${tenant}: ${data.orderId}`))
    })
    const ids = ['order', '@acme/order', '@/order']
    for (const orderId of ids) {
      for (const tenant of tenants) await bus.publishNow(Placed({ orderId, n: 1 }), as(tenant))
    }
    await bus.publishNow(Cancelled({ orderId: 'order', n: 1 }), { tenant: 'bolt' })
    await clock.advance({ minutes: 1 })
    const expected = ids.flatMap((id) => tenants.map((tenant) => `${tenant ?? 'null'}: ${id} ${tenant ?? 'null'}`))
    expect(effects().toSorted()).toEqual(expected.filter((text) => text !== 'bolt: order bolt').toSorted())
    expect(told('failed')).toEqual([])
  })

  it('are never in one call of a batch handler, so that what it publishes is of one tenant', async () => {
    const { bus, clock, effects, database } = await setting((b) => {
      b.group()
        .onBatch(
          Placed,
          async (messages, { tx, publish }) => {
            await effect(tx, messages.map(({ tenant, data }) => `${tenant} ${data.n}`).join(', '))
            for (const { data } of messages) publish(Noticed(data), { id: `noticed ${data.n}` })
          },
          { waitMs: 1_000 },
        )
        .on(Noticed, ({ tenant, data }, { tx }) => effect(tx, `noticed ${tenant} ${data.n}`))
    })
    await bus.transaction(async (_tx, publish) => {
      for (const n of [1, 2]) {
        for (const tenant of ['acme', 'bolt']) publish(Placed({ orderId: `order ${n}`, n }), { tenant })
      }
    })
    await clock.advance({ minutes: 1 })
    expect(effects().filter((text) => !text.startsWith('noticed'))).toEqual(['acme 1, acme 2', 'bolt 1, bolt 2'])
    expect(
      effects()
        .filter((text) => text.startsWith('noticed'))
        .toSorted(),
    ).toEqual(['noticed acme 1', 'noticed acme 2', 'noticed bolt 1', 'noticed bolt 2'])
    expect(database.appended()).toHaveLength(8)
  })

  it('schedule and cancel their own', async () => {
    const { bus, clock, effects, database } = await setting((b) => {
      b.group().on(Placed, ({ tenant }, { tx }) => effect(tx, String(tenant)))
    })
    const later = { id: 'same', deliverAfterMs: 60_000 }
    await bus.publishNow(Placed({ orderId: 'order', n: 1 }), { ...later, tenant: 'acme' })
    const { id } = await bus.publishNow(Placed({ orderId: 'order', n: 1 }), { ...later, tenant: 'bolt' })
    await bus.publishNow(Placed({ orderId: 'order', n: 1 }), { ...later, tenant: 'calm' })
    expect(await bus.transaction((tx) => bus.cancel(tx, 'same', { tenant: 'acme' }))).toBe(true)
    expect(await bus.transaction((tx) => bus.cancel(tx, id))).toBe(true)
    expect(await bus.transaction((tx) => bus.cancel(tx, 'same'))).toBe(false)
    await clock.advance({ minutes: 5 })
    expect(effects()).toEqual(['calm'])
    expect(database.appended()).toHaveLength(1)
  })
})

describe('a tenant', () => {
  it('gives the id that it will have, before anything is committed', async () => {
    const { bus, clock, told } = await setting((b) => b.group().on(Placed, () => undefined))
    let promised = ''
    await bus.transaction(async (_tx, publish) => {
      promised = publish(Placed({ orderId: 'order', n: 1 }), { id: 'mine', tenant: 'acme' })
    })
    const again = await bus.publishNow(Placed({ orderId: 'order', n: 1 }), { id: 'mine', tenant: 'acme' })
    await clock.settle()
    expect(again.id).toBe(promised)
    expect(told('applied').map(({ id }) => id)).toEqual([promised])
  })

  it.each(['', 'x'.repeat(129), 'a\nb', '\ud800'])('named %j is refused', async (tenant) => {
    const { bus } = await setting(() => undefined)
    const published = bus.publishNow(Placed({ orderId: 'order', n: 1 }), { tenant })
    await expect(published).rejects.toMatchObject({
      code: 'ACUSE_UNENCODABLE',
      message: expect.stringMatching(/tenant/),
    })
  })
})
