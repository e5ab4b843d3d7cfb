import assert from 'node:assert/strict'
import type { Claimed } from '@acuse/core'
import type { Case } from './case.ts'
import { labelOf, wire } from './messages.ts'
import { death } from './store-inbox-cases.ts'
import { inRolledBack, type StoreWorld } from './store-world.ts'

/** Leases, fences, and what a crash costs. */
export function leaseCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'a lease that runs out counts as an attempt and makes the message a suspect, every time',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }), { attempts: 1 })
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        assert.deepEqual(await world.claimLabels(store), ['a1'])
        for (const attempts of [2, 3]) {
          await world.advance(0.5)
          assert.deepEqual(await world.claim(store, { crashed: true }), [], 'its lease has not run out')
          await world.advance(0.6)
          assert.deepEqual(await world.claimLabels(store), [], 'a suspect was given among the others')
          const [claim] = await world.claim(await world.open('next'), { crashed: true })
          assert.ok(claim)
          assert.deepEqual([labelOf(claim.message), claim.attempts, claim.crashed], ['a1', attempts, true])
        }
      },
    },
    {
      name: 'after an outcome was written the next claim has not crashed',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        await world.claim(store)
        await world.advance(1.1)
        const [crashed] = await world.claim(store, { crashed: true })
        assert.ok(crashed)
        const outcome = { reason: 'retry', dueInMs: 0, attempts: 7 } as const
        assert.equal(await store.transaction((tx) => store.parked.reschedule(tx, world.group, crashed, outcome)), true)
        const [claim] = await world.claim(store)
        assert.deepEqual([claim?.attempts, claim?.crashed, claim?.reason], [7, false, 'retry'])
      },
    },
    {
      name: 'what is parked as a suspect runs beside the others: only what has crashed here runs alone',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const request = { message, reason: 'suspect', ordered: true, attempts: 0, dueInMs: 0 } as const
        await store.transaction((tx) => store.parked.park(tx, world.group, request))
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        await world.park(store, wire('b1', { stream: world.stream, key: 'b' }))
        assert.deepEqual(await world.claim(store, { crashed: true }), [])
        const [claim, other] = await world.claim(store)
        assert.deepEqual([claim && labelOf(claim.message), claim?.attempts, claim?.crashed], ['a1', 0, false])
        assert.equal(other && labelOf(other.message), 'b1')
        assert.ok(claim && (await world.complete(store, claim)))
        assert.deepEqual(await world.claimLabels(store), ['a2'])
      },
    },
    {
      name: 'an owner whose lease was taken over is fenced: nothing it says changes anything',
      async run(world) {
        const [store, other] = [await world.open('stalled'), await world.open('next')]
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        const [stale] = await world.claim(store)
        assert.ok(stale)
        await world.advance(1.1)
        const [current] = await world.claim(other, { crashed: true })
        assert.ok(current)
        assert.notEqual(current.token, stale.token)
        await expectFenced(world, store, stale)
        assert.deepEqual(await store.parked.extend(world.group, [stale], world.unitMs), [])
        assert.equal(await world.complete(other, current), true)
        await expectFenced(world, store, stale)
        await expectFenced(world, other, current)
        assert.deepEqual(await store.parked.counts(world.group), {})
        assert.deepEqual(await store.deadLetters.list({ group: world.group }), [])
      },
    },
    {
      name: 'an outcome fences its own claim: what is rescheduled cannot be completed by the same token',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        const [claim] = await world.claim(store)
        assert.ok(claim)
        const outcome = { reason: 'retry', dueInMs: world.unitMs, attempts: 2 } as const
        assert.equal(await store.transaction((tx) => store.parked.reschedule(tx, world.group, claim, outcome)), true)
        await expectFenced(world, store, claim)
        await world.advance(1.1)
        const [next] = await world.claim(store)
        assert.equal(next?.attempts, 2)
        await expectFenced(world, store, claim)
      },
    },
    {
      name: 'completing belongs to the transaction: rolled back, the message is still claimed and still held',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        const [claim] = await world.claim(store)
        assert.ok(claim)
        assert.equal(await inRolledBack(store, (tx) => store.parked.complete(tx, world.group, claim)), true)
        assert.deepEqual(await world.claimLabels(store), [])
        assert.equal(await world.complete(store, claim), true)
        assert.deepEqual(await world.claimLabels(store), ['a2'])
      },
    },
    {
      name: 'extending prolongs a lease from now, and gives the ids that are still held',
      async run(world) {
        const store = await world.open()
        for (const key of ['a', 'b']) await world.park(store, wire(`${key}1`, { stream: world.stream, key }))
        const claims = await world.claim(store)
        const kept = claims.find(({ message }) => message.key === 'a')
        const gone = claims.find(({ message }) => message.key === 'b')
        assert.ok(kept && gone)
        assert.equal(await world.complete(store, gone), true)
        for (let round = 0; round < 3; round++) {
          await world.advance(0.7)
          assert.deepEqual(await store.parked.extend(world.group, [gone, kept], world.unitMs), [kept.id])
          assert.deepEqual(await world.claim(store, { crashed: true }), [], 'its lease was prolonged')
        }
        assert.deepEqual(await store.parked.extend(world.group, [], world.unitMs), [])
        await world.advance(1.1)
        assert.deepEqual(await world.claimLabels(store, { crashed: true }), ['a1'])
      },
    },
    {
      name: 'burying a claim writes the dead letter and lets the next of its key go',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        await world.park(store, message)
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        const [claim] = await world.claim(store)
        assert.ok(claim)
        assert.equal(await store.transaction((tx) => store.parked.bury(tx, world.group, claim, death, false)), true)
        const [letter] = await store.deadLetters.list({ group: world.group })
        assert.ok(letter)
        assert.deepEqual([letter.message.id, letter.state, letter.blocking], [message.id, 'dead', false])
        assert.deepEqual(await world.claimLabels(store), ['a2'])
        await expectFenced(world, store, claim)
      },
    },
    {
      name: 'burying a claim with block keeps its key held',
      async run(world) {
        const store = await world.open()
        await world.park(store, wire('a1', { stream: world.stream, key: 'a' }))
        await world.parkBehind(store, wire('a2', { stream: world.stream, key: 'a' }))
        const [claim] = await world.claim(store)
        assert.ok(claim)
        assert.equal(await store.transaction((tx) => store.parked.bury(tx, world.group, claim, death, true)), true)
        await world.advance(20)
        assert.deepEqual(await world.claimLabels(store), [])
        assert.deepEqual(await world.claimLabels(store, { crashed: true }), [])
        assert.deepEqual(await store.parked.counts(world.group), { dead: 1, behind: 1 })
        const item = { message: wire('a3', { stream: world.stream, key: 'a' }), ordered: true }
        assert.deepEqual(await store.transaction((tx) => store.inbox.accept(tx, world.group, [item])), ['blocked'])
        const [letter] = await store.deadLetters.list({ group: world.group })
        assert.equal(letter?.blocking, true)
      },
    },
  ]
}

async function expectFenced<Tx>(
  world: StoreWorld<Tx>,
  store: Awaited<ReturnType<StoreWorld<Tx>['open']>>,
  claim: Claimed,
): Promise<void> {
  const { parked } = store
  assert.equal(await world.complete(store, claim), false, 'complete was not fenced')
  const outcome = { reason: 'retry', dueInMs: 0, attempts: 99 } as const
  const rescheduled = await inRolledBack(store, (tx) => parked.reschedule(tx, world.group, claim, outcome))
  assert.equal(rescheduled, false, 'reschedule was not fenced')
  const buried = await inRolledBack(store, (tx) => parked.bury(tx, world.group, claim, death, true))
  assert.equal(buried, false, 'bury was not fenced')
}
