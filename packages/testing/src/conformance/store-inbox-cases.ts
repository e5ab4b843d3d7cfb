import assert from 'node:assert/strict'
import type { Verdict, WireMessage } from '@acuse/core'
import type { Store } from '@acuse/core'
import type { Case } from './case.ts'
import { series, uniqueName, wire } from './messages.ts'
import { inRolledBack, type StoreWorld } from './store-world.ts'

/** Which messages a group has taken. */
export function inboxCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  const accept = async (
    store: Store<Tx>,
    group: string,
    messages: readonly WireMessage[],
    ordered = true,
  ): Promise<readonly Verdict[]> => store.transaction((tx) => acceptIn(store, tx, group, messages, ordered))

  return [
    {
      name: 'a message is new once for each group',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        assert.deepEqual(await accept(store, world.group, [message]), ['new'])
        assert.deepEqual(await accept(await world.open('other'), world.group, [message]), ['duplicate'])
        assert.deepEqual(await accept(store, uniqueName('group'), [message]), ['new'])
      },
    },
    {
      name: 'a batch gets one verdict an item, in order, and knows its own messages too',
      async run(world) {
        const store = await world.open()
        const [seen, one, two] = series(3, { stream: world.stream, key: 'a' })
        assert.ok(seen && one && two)
        await accept(store, world.group, [seen])
        await world.park(store, wire('b1', { stream: world.stream, key: 'b' }))
        const batch = [
          one,
          seen,
          wire('b2', { stream: world.stream, key: 'b' }),
          one,
          { ...two, key: null },
          { ...one, body: Buffer.from('other') },
          { ...seen, body: Buffer.from('other') },
        ]
        assert.deepEqual(await accept(store, world.group, batch), [
          'new',
          'duplicate',
          'blocked',
          'duplicate',
          'new',
          'conflict',
          'conflict',
        ])
        assert.deepEqual(await accept(store, world.group, []), [])
      },
    },
    {
      name: 'a rolled back accept frees the id',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const inside = await inRolledBack(store, (tx) => acceptIn(store, tx, world.group, [message]))
        assert.deepEqual(inside, ['new'])
        assert.deepEqual(await accept(store, world.group, [message]), ['new'])
      },
    },
    {
      name: 'accept waits for a transaction that is accepting the same id, and is a duplicate if that commits',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const first = await world.hold(store, (tx) => acceptIn(store, tx, world.group, [message]))
        assert.deepEqual(first.result, ['new'])
        const second = accept(other, world.group, [message])
        await world.waits(second, 'accept')
        await first.commit()
        assert.deepEqual(await second, ['duplicate'])
      },
    },
    {
      name: 'accept waits for a transaction that is accepting the same id, and is new if that rolls back',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const first = await world.hold(store, (tx) => acceptIn(store, tx, world.group, [message]))
        const second = accept(other, world.group, [message])
        await world.waits(second, 'accept')
        await first.rollBack()
        assert.deepEqual(await second, ['new'])
        assert.deepEqual(await accept(store, world.group, [message]), ['duplicate'])
      },
    },
    {
      name: 'two batches with the same messages in opposite order do not stop each other: each message is new once',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        for (let round = 0; round < 5; round++) {
          const batch = series(20, { stream: world.stream, key: `k${round}x` })
          const [forth, back] = await Promise.all([
            accept(store, world.group, batch),
            accept(other, world.group, batch.toReversed()),
          ])
          const news = batch.map(
            (_, at) => [forth[at], back.toReversed()[at]].filter((verdict) => verdict === 'new').length,
          )
          assert.deepEqual(
            news,
            batch.map(() => 1),
          )
        }
      },
    },
    {
      name: 'a parked message blocks its own key, stream and group, for ordered items alone, until it is gone',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        const next = wire('a2', { stream: world.stream, key: 'a' })
        assert.deepEqual(await accept(store, world.group, [next]), ['blocked'])
        const elsewhere = [
          wire('b1', { stream: world.stream, key: 'b' }),
          wire('x1', { stream: uniqueName('stream'), key: 'a' }),
          wire('free', { stream: world.stream, key: null }),
        ]
        assert.deepEqual(await accept(store, world.group, elsewhere), ['new', 'new', 'new'])
        assert.deepEqual(await accept(store, uniqueName('group'), [next]), ['new'])
        const unordered = wire('a3', { stream: world.stream, key: 'a' })
        assert.deepEqual(await accept(store, world.group, [unordered], false), ['new'])
        const [claim] = await world.claim(store)
        assert.ok(claim)
        assert.deepEqual(await accept(store, world.group, [next]), ['blocked'], 'while it runs')
        assert.equal(await world.complete(store, claim), true)
        assert.deepEqual(await accept(store, world.group, [next]), ['new'], 'blocked had written an inbox row')
      },
    },
    {
      name: 'a message parked without order does not block its key',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }), { ordered: false })
        assert.deepEqual(await accept(store, world.group, [wire('a2', { stream: world.stream, key: 'a' })]), ['new'])
      },
    },
    {
      name: 'a message that is parked, was parked, or is dead is a duplicate',
      async run(world) {
        const store = await world.open()
        const [parked, behind, dead] = series(3, { stream: world.stream, key: 'a' })
        assert.ok(parked && behind && dead)
        await world.park(store, parked)
        assert.equal(await world.parkBehind(store, behind), 'parked')
        await store.transaction((tx) => store.deadLetters.bury(tx, world.group, dead, death, { block: false }))
        assert.deepEqual(await accept(store, world.group, [parked, behind, dead]), [
          'duplicate',
          'duplicate',
          'duplicate',
        ])
        const [claim] = await world.claim(store)
        assert.ok(claim)
        await world.complete(store, claim)
        assert.deepEqual(await accept(store, world.group, [parked]), ['duplicate'])
      },
    },
    {
      name: 'purging forgets what is old and settled, at most as many as asked, and never what waits or is dead',
      async run(world) {
        const store = await world.open()
        const old = series(5, { stream: world.stream, key: 'old' })
        const [parked, dead] = series(2, { stream: world.stream, key: 'waits' })
        const young = wire('young', { stream: world.stream, key: 'young' })
        assert.ok(parked && dead)
        await accept(store, world.group, old)
        await world.advance(1)
        await world.park(store, parked, { dueInUnits: 100 })
        await store.transaction((tx) => store.deadLetters.bury(tx, world.group, dead, death, { block: false }))
        await world.advance(4)
        await accept(store, world.group, [young])
        assert.equal(await store.inbox.purge(2.5 * world.unitMs, 2), 2)
        assert.equal(await store.inbox.purge(2.5 * world.unitMs, 100), 3)
        assert.equal(await store.inbox.purge(2.5 * world.unitMs, 100), 0)
        const verdicts = await inRolledBack(store, (tx) =>
          acceptIn(store, tx, world.group, [...old, parked, dead, young], false),
        )
        assert.deepEqual(verdicts, ['new', 'new', 'new', 'new', 'new', 'duplicate', 'duplicate', 'duplicate'])
      },
    },
  ]
}

export const death = {
  reason: 'attempts-exhausted',
  error: { code: 'E_CARD', name: 'CardError', message: 'card 17 was refused', stack: 'CardError: …\n  at pay' },
  fingerprint: 'f00d',
  attempts: 5,
} as const

async function acceptIn<Tx>(
  store: Store<Tx>,
  tx: Tx,
  group: string,
  messages: readonly WireMessage[],
  ordered = true,
): Promise<readonly Verdict[]> {
  return store.inbox.accept(
    tx,
    group,
    messages.map((message) => ({ message, ordered: ordered && message.key !== null })),
  )
}
