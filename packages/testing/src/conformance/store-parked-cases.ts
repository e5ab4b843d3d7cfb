import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { assertSame, labelOf, series, wire } from './messages.ts'
import type { StoreWorld } from './store-world.ts'

/** What waits, when it is given, and in which order. */
export function parkedCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'a parked message is claimed when it is due and not before, with everything that was kept of it',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', {
          stream: world.stream,
          key: 'a',
          headers: { 'ce-subject': 'ñandú' },
          body: Uint8Array.of(0, 255, 128),
        })
        await world.park(store, message, { dueInUnits: 2, attempts: 3 })
        const early = await store.parked.claim(world.group, { limit: 10, leaseMs: world.unitMs, crashed: false })
        assert.deepEqual(early.claimed, [])
        assert.ok(early.nextDueInMs !== null && early.nextDueInMs > world.unitMs, `due in ${early.nextDueInMs}`)
        assert.ok(early.nextDueInMs <= 2 * world.unitMs)
        await world.advance(2.1)
        const { claimed } = await store.parked.claim(world.group, { limit: 10, leaseMs: world.unitMs, crashed: false })
        const [claim] = claimed
        assert.ok(claim)
        assertSame(claim.message, message)
        const { reason, ordered, attempts, crashed } = claim
        assert.deepEqual(
          { reason, ordered, attempts, crashed },
          { reason: 'retry', ordered: true, attempts: 3, crashed: false },
        )
        assert.ok(claim.failingForMs !== null && claim.failingForMs > 1.5 * world.unitMs)
        assert.deepEqual(await world.claim(store), [], 'claimed twice')
        assert.equal(await world.complete(store, claim), true)
        const empty = await store.parked.claim(world.group, { limit: 10, leaseMs: world.unitMs, crashed: false })
        assert.deepEqual(empty, { claimed: [], nextDueInMs: null })
      },
    },
    {
      name: 'parking what the group has taken already gives null and parks nothing',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        await world.park(store, message)
        const request = { message, reason: 'retry', ordered: true, attempts: 1, dueInMs: 0 } as const
        assert.equal(await store.transaction((tx) => store.parked.park(tx, world.group, request)), null)
        const leased = { ...request, leaseMs: world.unitMs }
        assert.equal(await store.transaction((tx) => store.parked.park(tx, world.group, leased)), null)
        assert.deepEqual(await store.parked.counts(world.group), { retry: 1 })
      },
    },
    {
      name: 'of one key only the first is claimed, and completing it lets the next go, in the order they were parked',
      async run(world) {
        const store = await world.open()
        const [first, ...others] = series(5, { stream: world.stream, key: 'a' })
        assert.ok(first)
        await world.park(store, first)
        for (const message of others) assert.equal(await world.parkBehind(store, message), 'parked')
        await world.park(store, wire('b1', { stream: world.stream, key: 'b' }))
        const done: string[] = []
        for (let round = 0; round < 6; round++) {
          const claims = await world.claim(store)
          assert.ok(claims.length <= 2, 'two messages of one key were given at once')
          for (const claim of claims) {
            done.push(labelOf(claim.message))
            assert.equal(await world.complete(store, claim), true)
          }
        }
        assert.deepEqual(
          done.filter((label) => label.startsWith('a')),
          ['a1', 'a2', 'a3', 'a4', 'a5'],
        )
        assert.ok(done.includes('b1'))
      },
    },
    {
      name: 'a follower waits through every retry of the one before it',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        for (const attempts of [2, 3]) {
          const [claim] = await world.claim(store)
          assert.ok(claim && labelOf(claim.message) === 'a1')
          const outcome = { reason: 'retry', dueInMs: 2 * world.unitMs, attempts } as const
          assert.equal(await store.transaction((tx) => store.parked.reschedule(tx, world.group, claim, outcome)), true)
          await world.advance(1)
          assert.deepEqual(await world.claimLabels(store), [], 'neither the failed one nor its follower is due')
          await world.advance(1.1)
        }
        const [claim] = await world.claim(store)
        assert.deepEqual([claim && labelOf(claim.message), claim?.attempts], ['a1', 3])
      },
    },
    {
      name: 'parking behind says free when nothing of the key waits, full at the limit, duplicate when it is taken; and writes nothing then',
      async run(world) {
        const store = await world.open()
        const [one, two, three] = series(3, { stream: world.stream, key: 'a' })
        assert.ok(one && two && three)
        assert.equal(await world.parkBehind(store, one), 'free')
        await world.park(store, one)
        assert.equal(await world.parkBehind(store, one), 'duplicate')
        assert.equal(await world.parkBehind(store, two, 2), 'parked')
        assert.equal(await world.parkBehind(store, two, 2), 'duplicate')
        assert.equal(await world.parkBehind(store, three, 2), 'full')
        assert.equal(await world.parkBehind(store, wire('b1', { stream: world.stream, key: 'b' })), 'free')
        assert.equal(await world.parkBehind(store, three, 3), 'parked', 'full had written an inbox row')
        assert.deepEqual(await store.parked.counts(world.group), { retry: 1, behind: 2 })
      },
    },
    {
      name: 'messages without order are claimed together, whatever their key, by their due time and up to the limit',
      async run(world) {
        const store = await world.open()
        const messages = series(4, { stream: world.stream, key: 'a' })
        for (const [index, message] of messages.entries()) {
          await world.park(store, message, { ordered: false, dueInUnits: [3, 1, 2, 9][index] ?? 0 })
        }
        await world.advance(5)
        const first = await store.parked.claim(world.group, { limit: 2, leaseMs: 20 * world.unitMs, crashed: false })
        assert.deepEqual(first.claimed.map(({ message }) => labelOf(message)).toSorted(), ['a2', 'a3'])
        assert.ok(first.nextDueInMs !== null && first.nextDueInMs < world.unitMs, 'one more is due already')
        assert.deepEqual(await world.claimLabels(store), ['a1'])
      },
    },
    {
      name: 'two processes that claim at once never get the same message',
      async run(world) {
        const stores = [await world.open('one'), await world.open('two'), await world.open('three')]
        const [store] = stores
        assert.ok(store)
        const messages = Array.from({ length: 40 }, (_, index) =>
          wire(`m${index}`, { stream: world.stream, key: `k${index}` }),
        )
        for (const message of messages) await world.park(store, message)
        const rounds = await Promise.all(
          [...stores, ...stores].map((claimer) => world.claimLabels(claimer, { limit: 15 })),
        )
        const rest = await world.claimLabels(store)
        assert.deepEqual([...rounds.flat(), ...rest].toSorted(), messages.map(labelOf).toSorted())
      },
    },
    {
      name: 'parking with a lease begins it at once: nobody else can claim it, and it completes under its token',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const request = {
          message,
          reason: 'external',
          ordered: true,
          attempts: 0,
          dueInMs: 0,
          leaseMs: world.unitMs,
        } as const
        const claim = await store.transaction((tx) => store.parked.park(tx, world.group, request))
        assert.ok(claim !== null && claim !== 'parked')
        const { reason, attempts, crashed, ordered } = claim
        assert.deepEqual(
          { reason, attempts, crashed, ordered },
          { reason: 'external', attempts: 0, crashed: false, ordered: true },
        )
        assert.equal(claim.message.id, message.id)
        assert.deepEqual(await world.claim(store), [])
        assert.deepEqual(await world.claim(store, { crashed: true }), [])
        assert.deepEqual(await store.parked.counts(world.group), { external: 1 })
        assert.equal(await world.complete(store, claim), true)
        assert.deepEqual(await store.parked.counts(world.group), {})
      },
    },
    {
      name: 'parking with a lease does not begin what has to wait behind others of its key',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        const message = wire('a2', { stream: world.stream, key: 'a' })
        const request = {
          message,
          reason: 'external',
          ordered: true,
          attempts: 0,
          dueInMs: 0,
          leaseMs: world.unitMs,
        } as const
        assert.equal(await store.transaction((tx) => store.parked.park(tx, world.group, request)), 'parked')
        assert.deepEqual(await world.claimLabels(store), ['a1'])
      },
    },
    {
      name: 'a parked message can be removed by its id unless it runs, which frees its key',
      async run(world) {
        const store = await world.open()
        const remove = (id: string): Promise<boolean> =>
          store.transaction((tx) => store.parked.remove(tx, world.group, id))
        const timeout = wire('timeout', { stream: world.stream, key: 'a' })
        const request = {
          message: timeout,
          reason: 'timeout',
          ordered: false,
          attempts: 0,
          dueInMs: world.unitMs,
        } as const
        assert.equal(await store.transaction((tx) => store.parked.park(tx, world.group, request)), 'parked')
        assert.deepEqual(await store.parked.counts(world.group), { timeout: 1 })
        assert.equal(await remove(timeout.id), true)
        assert.equal(await remove(timeout.id), false)
        assert.equal(await remove('0f0f0f0f-0000-4000-8000-000000000000'), false)
        await world.advance(2)
        assert.deepEqual(await world.claim(store), [])

        const [first, second] = series(2, { stream: world.stream, key: 'b' })
        assert.ok(first && second)
        await world.park(store, first)
        await world.parkBehind(store, second)
        assert.equal(await remove(first.id), true)
        const [claim] = await world.claim(store)
        assert.equal(claim && labelOf(claim.message), 'b2')
        assert.equal(await remove(second.id), false, 'it runs')
        assert.ok(claim && (await world.complete(store, claim)))
      },
    },
    {
      name: 'parked messages are counted by reason, for each group apart',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        await world.parkBehind(store, wire('a3', { stream: world.stream, key: 'a' }))
        const suspect = { reason: 'suspect', ordered: true, attempts: 0, dueInMs: 0 } as const
        const message = wire('b1', { stream: world.stream, key: 'b' })
        await store.transaction((tx) => store.parked.park(tx, world.group, { ...suspect, message }))
        assert.deepEqual(await store.parked.counts(world.group), { retry: 1, behind: 2, suspect: 1 })
        assert.deepEqual(await store.parked.counts(`${world.group}-other`), {})
      },
    },
    {
      name: 'what is claimed says how many partitions its stream has, where the log knows the stream: a relay sends it on',
      async run(world) {
        const store = await world.open()
        const sent = wire('sent', { stream: world.stream, key: 'a' })
        await store.transaction((tx) => store.append(tx, [sent]))
        await world.park(store, wire('kept', { stream: world.stream, key: 'a' }))
        await world.park(store, wire('foreign', { stream: `${world.stream}.of-others` }))
        const claims = await world.claim(store)
        const found = claims.map(({ message }): [string, unknown] => [labelOf(message), message.partitions])
        assert.deepEqual(
          new Map(found),
          new Map([
            ['kept', sent.partitions],
            ['foreign', undefined],
          ]),
        )
      },
    },
  ]
}
