import { saga, type StoreFactory } from '@acuse/core'
import { createMemoryDatabase, createVirtualClock, memoryStore, type MemoryTx } from '@acuse/testing'
import { describe, expect, it } from 'vitest'
import { Cancelled, Noticed, Placed, setting } from './setting.ts'

interface State {
  readonly placed: number
  readonly reminded: number
}

const day = 86_400_000

function reminders(): ReturnType<typeof saga<State>> {
  return saga<State>('reminders', () => ({ placed: 0, reminded: 0 }))
    .on(Placed, { id: (message) => message.data.orderId, starts: true }, (state, message) => ({
      state: { ...state, placed: state.placed + message.data.n },
      timeouts: { remind: 30 * day },
    }))
    .on(Cancelled, { id: (message) => message.data.orderId }, () => ({ complete: true }))
    .onTimeout('remind', (state, orderId) => ({
      state: { ...state, reminded: state.reminded + 1 },
      publish: [Noticed({ orderId, n: state.placed })],
      complete: true,
    }))
}

describe('a saga', () => {
  it('reacts as a pure function', () => {
    const react = reminders().entries.get('order.placed')?.react
    expect(react?.({ placed: 1, reminded: 0 }, { data: { orderId: 'a', n: 2 } } as never)).toEqual({
      state: { placed: 3, reminded: 0 },
      timeouts: { remind: 30 * day },
    })
  })

  it('waits thirty days in milliseconds, fires a timeout once and never early', async () => {
    const { bus, clock, database } = await setting((b) => b.saga(reminders()))
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ days: 10 })
    await bus.publishNow(Placed({ orderId: 'a', n: 4 }))
    await clock.advance({ days: 29, hours: 23 })
    const noticed = (): number => database.appended().filter(({ type }) => type === 'order.noticed').length
    expect(noticed()).toBe(0)
    await clock.advance({ hours: 2 })
    expect(noticed()).toBe(1)
    await clock.advance({ days: 60 })
    expect(noticed()).toBe(1)
  })

  it('fires a timeout when it is due, also between two looks at what is parked, and looks no oftener for others', async () => {
    const clock = createVirtualClock(new Date('2026-01-01T00:00:00Z'))
    const database = createMemoryDatabase(clock)
    let looks = 0
    const store: StoreFactory<MemoryTx> = async (context) => {
      const made = await memoryStore(database)(context)
      const claim = made.parked.claim.bind(made.parked)
      made.parked.claim = (group, request) => {
        looks++
        return claim(group, request)
      }
      return made
    }
    const soon = saga('soon', () => 0)
      .on(Placed, { id: ({ data }) => data.orderId, starts: true }, (state) => ({ state, timeouts: { remind: 90 } }))
      .on(Cancelled, { id: ({ data }) => data.orderId }, (state) => ({ state: state + 1 }))
      .onTimeout('remind', (_, orderId) => ({ publish: [Noticed({ orderId, n: 0 })], complete: true }))
    const { bus } = await setting((b) => b.saga(soon), { on: clock, database, store })
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ ms: 80 })
    const noticed = (): number => database.appended().filter(({ type }) => type === 'order.noticed').length
    expect(noticed()).toBe(0)
    looks = 0
    for (let n = 0; n < 10; n++) await bus.publishNow(Cancelled({ orderId: 'a', n }))
    await clock.advance({ ms: 5 })
    expect(looks).toBe(0)
    await clock.advance({ ms: 10 })
    expect(noticed()).toBe(1)
  })

  it('ignores what comes to one that has ended or never began, and late timeouts', async () => {
    const { bus, clock, database, told } = await setting((b) => b.saga(reminders()))
    await bus.publishNow(Cancelled({ orderId: 'never-began', n: 1 }))
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await bus.publishNow(Cancelled({ orderId: 'a', n: 1 }))
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ days: 60 })
    expect(database.appended().filter(({ type }) => type === 'order.noticed')).toEqual([])
    expect(told('dead')).toEqual([])
  })

  it('loses no update when events of one saga meet', async () => {
    const counting = saga<State>('counting', () => ({ placed: 0, reminded: 0 })).on(
      Noticed,
      { id: (message) => message.data.orderId, starts: true },
      (state, message) => ({
        state: { ...state, placed: state.placed + 1 },
        publish: state.placed === 19 ? [Placed({ orderId: message.data.orderId, n: state.placed + 1 })] : [],
      }),
    )
    const { bus, clock, database, told } = await setting((b) => b.saga(counting, { concurrency: 8 }))
    await bus.transaction(async (_tx, publish) => {
      for (let n = 0; n < 20; n++) publish(Noticed({ orderId: 'one', n }))
    })
    await clock.advance({ minutes: 1 })
    const done = database.appended().filter(({ type }) => type === 'order.placed')
    expect(done).toHaveLength(1)
    expect(JSON.parse(Buffer.from(done[0]?.body ?? []).toString())).toEqual({ orderId: 'one', n: 20 })
    expect(told('failed')).toEqual([])
  })

  it('names a timeout that nobody reacts to', async () => {
    const forgetful = saga<State>('forgetful', () => ({ placed: 0, reminded: 0 })).on(
      Placed,
      { id: (message) => message.data.orderId, starts: true },
      () => ({ timeouts: { nobody: 1 } }),
    )
    const { bus, clock } = await setting((b) => b.saga(forgetful))
    await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
    await clock.advance({ seconds: 1 })
    const [letter] = await bus.deadLetters.list()
    expect(letter?.error.message).toBe('saga forgetful sets timeout nobody but has no onTimeout for it.')
  })
})
