import { exponential, type Message, saga, type TransactionContext } from '@acuse/core'
import type { MemoryTx } from '@acuse/testing'
import { expect, it } from 'vitest'
import { Cancelled, effect, Noticed, Placed, setting } from './setting.ts'

const retry = exponential({ attempts: 3, baseMs: 1_000, maxMs: 1_000, jitter: 0 })

/** Writes which group is about to apply what. */
async function note({ type }: Message, { group, tx, attempt }: TransactionContext<MemoryTx>): Promise<void> {
  await effect(tx, `${group} ${type} ${attempt}`)
}

it('runs in the transaction of each handler, before it, and not for a duplicate', async () => {
  const { bus, clock, effects } = await setting((b) => {
    b.group({ inTransaction: note })
      .on(Placed, (message, { tx }) => effect(tx, `placed ${message.data.orderId}`))
      .onBatch(Noticed, (messages, { tx }) => effect(tx, `noticed ${messages.length}`))
  })
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }), { id: 'one' })
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }), { id: 'one' })
  await clock.settle()
  await bus.transaction(async (_tx, publish) => {
    publish(Noticed({ orderId: 'a', n: 1 }))
    publish(Noticed({ orderId: 'b', n: 2 }))
  })
  await clock.settle()
  expect(effects()).toEqual([
    'shop order.placed 1',
    'placed a',
    'shop order.noticed 1',
    'shop order.noticed 1',
    'noticed 2',
  ])
})

it('is rolled back with a handler that fails, and is told the attempt', async () => {
  const { bus, clock, effects } = await setting((b) => {
    b.group({ inTransaction: note, retry }).on(Placed, (_message, { attempt }) => {
      if (attempt < 3) throw new Error('not yet')
    })
  })
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
  await clock.settle()
  expect(effects()).toEqual([])
  await clock.advance({ seconds: 2 })
  expect(effects()).toEqual(['shop order.placed 3'])
})

it('fails the handler when it fails', async () => {
  let failures = 1
  const { bus, clock, effects, told } = await setting((b) => {
    const inTransaction = (): void => {
      if (failures-- > 0) throw new Error('no audit')
    }
    b.group({ inTransaction, retry }).on(Placed, (message, { tx }) => effect(tx, message.data.orderId))
  })
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
  await clock.settle()
  expect(effects()).toEqual([])
  await clock.advance({ seconds: 1 })
  expect(effects()).toEqual(['a'])
  expect(told('failed').map(({ error }) => error)).toEqual([new Error('no audit')])
})

it('runs in the transaction that ends an external handler, with what it published', async () => {
  const calls: number[] = []
  let failures = 1
  const { bus, clock, effects, database } = await setting((b) => {
    const inTransaction: typeof note = async (message, context) => {
      await note(message, context)
      if (failures-- > 0) throw new Error('no audit')
    }
    b.group({ inTransaction, retry }).onExternal(Placed, (message, { attempt, publish }) => {
      calls.push(attempt)
      publish(Noticed(message.data))
    })
  })
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
  await clock.settle()
  expect([calls, effects(), database.appended().length]).toEqual([[1], [], 1])
  await clock.advance({ seconds: 1 })
  expect([calls, effects(), database.appended().length]).toEqual([[1, 2], ['shop order.placed 2'], 2])
})

it('runs with the reactions of a saga and its timeouts', async () => {
  const reminders = saga<null>('reminders', () => null)
    .on(Placed, { id: ({ data }) => data.orderId, starts: true }, () => ({ timeouts: { remind: 60_000 } }))
    .on(Cancelled, { id: ({ data }) => data.orderId }, () => ({ complete: true }))
    .onTimeout('remind', () => ({ complete: true }))
  const { bus, clock, effects } = await setting((b) => b.saga(reminders, { inTransaction: note }))
  await bus.publishNow(Placed({ orderId: 'a', n: 1 }))
  await clock.advance({ minutes: 1 })
  expect(effects()).toEqual(['saga.reminders order.placed 1', 'saga.reminders acuse.saga.timeout 1'])
})
