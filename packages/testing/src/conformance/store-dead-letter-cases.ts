import assert from 'node:assert/strict'
import type { DeadLetterFilter, Death, Store, WireMessage } from '@acuse/core'
import type { Case } from './case.ts'
import { assertSame, labelOf, series, uniqueName, wire } from './messages.ts'
import { death } from './store-inbox-cases.ts'
import { inRolledBack, type StoreWorld } from './store-world.ts'

/** What died, and what an operator does about it. */
export function deadLetterCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'a dead letter keeps the message to the byte, and how it died',
      async run(world) {
        const store = await world.open()
        const message = wire('', {
          stream: world.stream,
          key: 'clé',
          body: Uint8Array.of(0, 1, 254, 255),
          headers: { 'ce-subject': 'ñ' },
        })
        const before = await store.schedule.now()
        assert.equal(await bury(world, store, message), true)
        const [letter, ...others] = await store.deadLetters.list({ group: world.group })
        assert.ok(letter)
        assert.deepEqual(others, [])
        const { id, diedAt, message: kept, ...rest } = letter
        assert.deepEqual(rest, { ...death, group: world.group, state: 'dead', blocking: false })
        assertSame(kept, message)
        assert.ok(id !== '')
        assert.ok(diedAt >= before && diedAt <= (await store.schedule.now()))
      },
    },
    {
      name: 'burying takes the message once for the group, and belongs to the transaction',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const options = { block: false }
        assert.equal(
          await inRolledBack(store, (tx) => store.deadLetters.bury(tx, world.group, message, death, options)),
          true,
        )
        assert.deepEqual(await store.deadLetters.list({ group: world.group }), [])
        assert.equal(await bury(world, store, message), true)
        assert.equal(await bury(world, store, message), false)
        const item = { message, ordered: true }
        assert.deepEqual(await store.transaction((tx) => store.inbox.accept(tx, world.group, [item])), ['duplicate'])
        assert.equal((await store.deadLetters.list({ group: world.group })).length, 1)
      },
    },
    {
      name: 'letters are listed oldest first, by every filter, up to the limit',
      async run(world) {
        const store = await world.open()
        const other = uniqueName('stream')
        await bury(world, store, wire('1', { stream: world.stream, key: 'a' }))
        await world.advance(1)
        const between = await store.schedule.now()
        await world.advance(1)
        await bury(world, store, wire('2', { stream: other, key: 'b', type: 'case.other' }))
        await bury(world, store, wire('3', { stream: world.stream, key: 'a' }), {
          reason: 'crashed',
          fingerprint: 'beef',
        })
        await store.transaction((tx) =>
          store.deadLetters.bury(tx, uniqueName('group'), wire('elsewhere', { stream: world.stream }), death, {
            block: false,
          }),
        )
        const labels = async (filter: DeadLetterFilter): Promise<string[]> =>
          (await store.deadLetters.list({ group: world.group, ...filter })).map(({ message }) => labelOf(message))
        const all = await store.deadLetters.list({ group: world.group })
        assert.deepEqual(await labels({}), ['1', '2', '3'])
        assert.deepEqual(await labels({ limit: 2 }), ['1', '2'])
        assert.deepEqual(await labels({ ids: [all[2]?.id ?? '', all[0]?.id ?? ''] }), ['1', '3'])
        assert.deepEqual(await labels({ ids: [] }), [])
        assert.deepEqual(await labels({ stream: other }), ['2'])
        assert.deepEqual(await labels({ type: 'case.other' }), ['2'])
        assert.deepEqual(await labels({ key: 'a' }), ['1', '3'])
        assert.deepEqual(await labels({ fingerprint: 'beef' }), ['3'])
        assert.deepEqual(await labels({ reason: 'attempts-exhausted' }), ['1', '2'])
        assert.deepEqual(await labels({ state: 'dead' }), ['1', '2', '3'])
        assert.deepEqual(await labels({ state: 'discarded' }), [])
        assert.deepEqual(await labels({ diedAfter: between }), ['2', '3'])
        assert.deepEqual(await labels({ diedBefore: between }), ['1'])
        assert.deepEqual(await labels({ key: 'a', diedAfter: between, stream: world.stream }), ['3'])
      },
    },
    {
      name: 'a replayed letter is parked to run at once with fresh attempts, and is replayed once it is applied',
      async run(world) {
        const store = await world.open()
        await bury(world, store, wire('a1', { stream: world.stream, key: 'a' }))
        await bury(world, store, wire('a2', { stream: world.stream, key: 'a' }))
        const [letter] = await store.deadLetters.list({ group: world.group })
        assert.equal(await replay(store, { group: world.group, ids: [letter?.id ?? ''] }), 1)
        assert.deepEqual(await states(world, store), ['replaying', 'dead'])
        const claims = await world.claim(store)
        assert.deepEqual(
          claims.map(({ message, reason, attempts, crashed }) => [labelOf(message), reason, attempts, crashed]),
          [['a1', 'replay', 0, false]],
        )
        assert.ok(claims[0] && (await world.complete(store, claims[0])))
        assert.deepEqual(await states(world, store), ['replayed', 'dead'])
      },
    },
    {
      name: 'a replay by filter runs what matches in the order it died, key by key',
      async run(world) {
        const store = await world.open()
        const messages = [
          ...series(4, { stream: world.stream, key: 'a' }),
          ...series(4, { stream: world.stream, key: 'b' }),
        ]
        for (const message of messages) {
          await bury(world, store, message, { fingerprint: labelOf(message) === 'a2' ? 'other' : 'same' })
        }
        assert.equal(await replay(store, { group: world.group, fingerprint: 'same' }), 7)
        const applied: string[] = []
        for (let round = 0; round < 8; round++) {
          for (const claim of await world.claim(store)) {
            applied.push(labelOf(claim.message))
            assert.equal(await world.complete(store, claim), true)
          }
        }
        assert.deepEqual(
          applied.filter((label) => label.startsWith('a')),
          ['a1', 'a3', 'a4'],
        )
        assert.deepEqual(
          applied.filter((label) => label.startsWith('b')),
          ['b1', 'b2', 'b3', 'b4'],
        )
      },
    },
    {
      name: 'replaying twice does nothing the second time, at once or later',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        for (const message of series(6, { stream: world.stream, key: 'a' })) await bury(world, store, message)
        const counts = await Promise.all([replay(store, { group: world.group }), replay(other, { group: world.group })])
        assert.equal(counts[0] + counts[1], 6)
        assert.equal(await replay(store, { group: world.group }), 0)
        assert.deepEqual(await store.parked.counts(world.group), { replay: 6 })
      },
    },
    {
      name: 'what is replayed and dies again is one letter, and can be replayed again',
      async run(world) {
        const store = await world.open()
        await bury(world, store, wire('a1', { stream: world.stream, key: 'a' }))
        for (const round of [1, 2]) {
          assert.equal(await replay(store, { group: world.group }), 1)
          const [claim] = await world.claim(store)
          assert.ok(claim)
          const again: Death = { ...death, reason: 'crashed', attempts: 10 + round }
          assert.equal(await store.transaction((tx) => store.parked.bury(tx, world.group, claim, again, false)), true)
          const letters = await store.deadLetters.list({ group: world.group })
          assert.deepEqual(
            letters.map(({ state, reason, attempts }) => [state, reason, attempts]),
            [['dead', 'crashed', 10 + round]],
          )
        }
      },
    },
    {
      name: 'a replayed message that fails again is retried, and its letter stays in replay until it is applied',
      async run(world) {
        const store = await world.open()
        await bury(world, store, wire('a1', { stream: world.stream, key: 'a' }))
        await replay(store, { group: world.group })
        const [claim] = await world.claim(store)
        assert.ok(claim)
        const outcome = { reason: 'retry', dueInMs: 0, attempts: 1 } as const
        assert.equal(await store.transaction((tx) => store.parked.reschedule(tx, world.group, claim, outcome)), true)
        assert.deepEqual(await states(world, store), ['replaying'])
        const [again] = await world.claim(store)
        assert.ok(again && (await world.complete(store, again)))
        assert.deepEqual(await states(world, store), ['replayed'])
      },
    },
    {
      name: 'a letter that holds its key is replayed in its place, before what waits behind it',
      async run(world) {
        const store = await world.open()
        const [first, second, third] = series(3, { stream: world.stream, key: 'a' })
        assert.ok(first && second && third)
        await store.transaction((tx) => store.deadLetters.bury(tx, world.group, first, death, { block: true }))
        const item = { message: second, ordered: true }
        assert.deepEqual(await store.transaction((tx) => store.inbox.accept(tx, world.group, [item])), ['blocked'])
        for (const message of [second, third]) assert.equal(await world.parkBehind(store, message), 'parked')
        assert.deepEqual(await world.claimLabels(store), [])
        assert.equal(await replay(store, { group: world.group }), 1)
        for (const label of ['a1', 'a2', 'a3']) {
          const claims = await world.claim(store)
          assert.deepEqual(
            claims.map(({ message }) => labelOf(message)),
            [label],
          )
          assert.ok(claims[0] && (await world.complete(store, claims[0])))
        }
      },
    },
    {
      name: 'discarding marks what is dead and frees the keys it holds',
      async run(world) {
        const store = await world.open()
        const [first, second] = series(2, { stream: world.stream, key: 'a' })
        assert.ok(first && second)
        await store.transaction((tx) => store.deadLetters.bury(tx, world.group, first, death, { block: true }))
        await world.parkBehind(store, second)
        await bury(world, store, wire('b1', { stream: world.stream, key: 'b' }))
        assert.equal(await store.deadLetters.discard({ group: world.group, key: 'a' }), 1)
        assert.deepEqual(await states(world, store), ['discarded', 'dead'])
        assert.deepEqual(await world.claimLabels(store), ['a2'])
        assert.equal(await store.deadLetters.discard({ group: world.group, key: 'a' }), 0)
        assert.equal(await replay(store, { group: world.group, key: 'a' }), 0, 'what is discarded is not replayed')
        const item = { message: first, ordered: true }
        assert.deepEqual(await store.transaction((tx) => store.inbox.accept(tx, world.group, [item])), ['duplicate'])
      },
    },
    {
      name: 'a letter is replayed once, however old it is: the purge never takes what its dedupe needs',
      async run(world) {
        const store = await world.open()
        await bury(world, store, wire('a1', { stream: world.stream, key: 'a' }))
        await world.advance(1)
        const later = { message: wire('b1', { stream: world.stream, key: 'b' }), ordered: true }
        await store.transaction((tx) => store.inbox.accept(tx, world.group, [later]))
        await world.advance(4)
        await store.inbox.purge(2 * world.unitMs, 100)
        assert.equal(await replay(store, { group: world.group }), 1)
        assert.equal(await replay(store, { group: world.group }), 0)
        assert.deepEqual(await world.claimLabels(store), ['a1'])
      },
    },
  ]
}

function bury<Tx>(
  world: StoreWorld<Tx>,
  store: Store<Tx>,
  message: WireMessage,
  parts: Partial<Death> = {},
): Promise<boolean> {
  return store.transaction((tx) =>
    store.deadLetters.bury(tx, world.group, message, { ...death, ...parts }, { block: false }),
  )
}

function replay<Tx>(store: Store<Tx>, filter: DeadLetterFilter): Promise<number> {
  return store.deadLetters.replay(filter, { force: false })
}

async function states<Tx>(world: StoreWorld<Tx>, store: Store<Tx>): Promise<string[]> {
  return (await store.deadLetters.list({ group: world.group })).map(({ state }) => state)
}
