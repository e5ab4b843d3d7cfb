import assert from 'node:assert/strict'
import type { Due, Store, WireMessage } from '@acuse/core'
import type { Case } from './case.ts'
import { Collector } from './collector.ts'
import { labelOf, series, wire } from './messages.ts'
import { inRolledBack, type StoreWorld } from './store-world.ts'

/** Messages that wait for their time. */
export function scheduleCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'time is the database’s, and passes',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        const before = await store.schedule.now()
        await world.wait(20)
        assert.ok((await other.schedule.now()) > before)
      },
    },
    {
      name: 'a message is appended when it is due, by delay or by moment, and never early',
      async run(world) {
        const store = await world.open()
        const at = new Date((await store.schedule.now()).getTime() + 3 * world.unitMs)
        await add(store, wire('at 3', { stream: world.stream }), { at })
        await add(store, wire('in 1', { stream: world.stream }), { inMs: world.unitMs })
        const early = await store.schedule.dispatch(100)
        assert.equal(early.appended, 0)
        assert.ok(early.nextDueInMs !== null && early.nextDueInMs > 0 && early.nextDueInMs <= world.unitMs)
        await world.advance(1.1)
        const first = await store.schedule.dispatch(100)
        assert.equal(first.appended, 1)
        assert.ok(
          first.nextDueInMs !== null && first.nextDueInMs > world.unitMs && first.nextDueInMs <= 2 * world.unitMs,
        )
        assert.deepEqual(await world.logged(store, 1), ['in 1'])
        await world.advance(2)
        assert.deepEqual(await store.schedule.dispatch(100), { appended: 1, nextDueInMs: null })
        assert.deepEqual((await world.logged(store, 2)).toSorted(), ['at 3', 'in 1'])
      },
    },
    {
      name: 'what is due is appended in the order it is due, at most as many as asked, with its key and bytes',
      async run(world) {
        const store = await world.open()
        const messages = series(5, { stream: world.stream, key: 'a' })
        const delays = [5, 1, 4, 2, 3]
        for (const [index, message] of messages.entries()) {
          await add(store, message, { inMs: ((delays[index] ?? 0) * world.unitMs) / 2 })
        }
        await world.advance(3)
        const first = await store.schedule.dispatch(2)
        assert.equal(first.appended, 2)
        assert.ok(first.nextDueInMs !== null && first.nextDueInMs < world.unitMs / 2, 'more are due already')
        assert.equal((await store.schedule.dispatch(100)).appended, 3)
        assert.deepEqual(await world.logged(store, 5), ['a2', 'a4', 'a5', 'a3', 'a1'])
      },
    },
    {
      name: 'a scheduled message goes to the same partition as any other of its key',
      async run(world) {
        const store = await world.open()
        const keys = Array.from({ length: 20 }, (_, index) => `k${index}x`)
        const parts = { stream: world.stream, partitions: 7 }
        const now = keys.map((key) => wire(`${key}1`, { ...parts, key }))
        const later = keys.map((key) => wire(`${key}2`, { ...parts, key }))
        await store.transaction(async (tx) => {
          await store.append(tx, now)
          for (const message of later) await store.schedule.add(tx, message, { inMs: 0 })
        })
        assert.equal((await store.schedule.dispatch(100)).appended, keys.length)
        const got = new Collector()
        const source = { group: world.group, types: 'all', from: 'earliest', prefetch: 100 } as const
        const subscription = await store.log.consume(
          { ...source, streams: [{ name: world.stream, partitions: 7 }] },
          got,
        )
        await world.eventually(() => assert.equal(got.deliveries.length, 2 * keys.length))
        for (const key of keys) {
          const ofKey = got.deliveries.filter(({ message }) => message.key === key)
          assert.deepEqual(
            ofKey.map(({ message }) => labelOf(message)),
            [`${key}1`, `${key}2`],
          )
          assert.equal(new Set(ofKey.map(({ partition }) => partition)).size, 1, `${key} is in two partitions`)
        }
        await subscription.stop(5_000)
      },
    },
    {
      name: 'several dispatchers append each message exactly once',
      async run(world) {
        const stores = [await world.open('one'), await world.open('two'), await world.open('three')]
        const [store] = stores
        assert.ok(store)
        const messages = Array.from({ length: 60 }, (_, index) =>
          wire(`m${index}`, { stream: world.stream, key: `k${index}` }),
        )
        await store.transaction(async (tx) => {
          for (const message of messages) await store.schedule.add(tx, message, { inMs: 0 })
        })
        let appended = 0
        for (let round = 0; round < 20 && appended < messages.length; round++) {
          const results = await Promise.all(stores.map((each) => each.schedule.dispatch(7)))
          appended += results.reduce((sum, result) => sum + result.appended, 0)
        }
        assert.equal(appended, messages.length)
        assert.equal((await store.schedule.dispatch(100)).appended, 0)
        assert.deepEqual((await world.logged(store, 60)).toSorted(), messages.map(labelOf).toSorted())
      },
    },
    {
      name: 'scheduling and cancelling belong to the transaction',
      async run(world) {
        const store = await world.open()
        const [kept, undone, cancelled, notCancelled] = series(4, { stream: world.stream, key: 'a' })
        assert.ok(kept && undone && cancelled && notCancelled)
        await inRolledBack(store, (tx) => store.schedule.add(tx, undone, { inMs: 0 }))
        for (const message of [kept, cancelled, notCancelled]) await add(store, message, { inMs: world.unitMs })
        assert.equal(await inRolledBack(store, (tx) => store.schedule.cancel(tx, notCancelled.id)), true)
        assert.equal(await cancel(store, cancelled.id), true)
        assert.equal(await cancel(store, cancelled.id), false)
        assert.equal(await cancel(store, undone.id), false)
        await world.advance(1.1)
        assert.equal((await store.schedule.dispatch(100)).appended, 2)
        assert.equal(await cancel(store, kept.id), false, 'it was appended')
        assert.deepEqual(await world.logged(store, 2), [labelOf(kept), labelOf(notCancelled)])
      },
    },
    {
      name: 'cancelling and dispatching at once: either it was cancelled or it was appended',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        const messages = series(12, { stream: world.stream, key: 'a' })
        const appendedToo: string[] = []
        for (const message of messages) {
          await add(store, message, { inMs: 0 })
          const [cancelled] = await Promise.all([cancel(store, message.id), other.schedule.dispatch(10)])
          await other.schedule.dispatch(10)
          if (!cancelled) appendedToo.push(labelOf(message))
        }
        assert.deepEqual(await world.logged(store, appendedToo.length), appendedToo)
      },
    },
  ]
}

function add<Tx>(store: Store<Tx>, message: WireMessage, due: Due): Promise<void> {
  return store.transaction((tx) => store.schedule.add(tx, message, due))
}

function cancel<Tx>(store: Store<Tx>, id: string): Promise<boolean> {
  return store.transaction((tx) => store.schedule.cancel(tx, id))
}
