import assert from 'node:assert/strict'
import type { HistoryRange, HistoryTake, Store, WireMessage } from '@acuse/core'
import type { Case } from './case.ts'
import { labelOf, series, wire } from './messages.ts'
import { death } from './store-inbox-cases.ts'
import type { StoreWorld } from './store-world.ts'

const otherType = 'case.other'

/** What the log still holds, given to a group once more. */
export function historyCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'history is replayed key by key in its order, to the byte, to run at once with fresh attempts',
      async run(world) {
        const store = await world.open()
        const messages = [...keyed(world, 'a', 4), ...keyed(world, 'b', 3), wire('no key', { stream: world.stream })]
        await append(store, messages)
        assert.equal((await replay(world, store)).taken, 8)
        const first = await world.claim(store)
        assert.deepEqual(first.map(({ message }) => labelOf(message)).toSorted(), ['a1', 'b1', 'no key'])
        for (const { reason, attempts, crashed, failingForMs } of first) {
          assert.deepEqual([reason, attempts, crashed, failingForMs], ['replay', 0, false, null])
        }
        for (const claim of first) {
          const sent = messages.find(({ id }) => id === claim.message.id)
          assert.equal(Buffer.compare(claim.message.body, sent?.body ?? Buffer.alloc(0)), 0)
          assert.deepEqual(claim.message.headers, sent?.headers)
          assert.equal(await world.complete(store, claim), true)
        }
        assert.deepEqual(await runAll(world, store), ['a2', 'b2', 'a3', 'b3', 'a4'])
      },
    },
    {
      name: 'only what was appended from one moment and before another, of these types and this key, is replayed',
      async run(world) {
        const store = await world.open()
        await append(store, [...keyed(world, 'a', 1), wire('other', { stream: world.stream, type: otherType })])
        await world.advance(1)
        const from = await store.schedule.now()
        await world.advance(1)
        await append(store, [
          wire('b1', { stream: world.stream, key: 'b' }),
          wire('a2', { stream: world.stream, key: 'a' }),
        ])
        await append(store, [wire('elsewhere', { stream: `${world.stream}-2`, key: 'a' })])
        await world.advance(1)
        const to = await store.schedule.now()
        await world.advance(1)
        await append(store, [wire('a3', { stream: world.stream, key: 'a' })])
        const found = async (range: Partial<HistoryRange>): Promise<string[]> => {
          const group = `${world.group}-${Math.random().toString(36).slice(2)}`
          const { matching } = await store.history.count(group, rangeOf(world, range))
          const { taken } = await replay(world, store, range, { ordered: false }, group)
          assert.equal(matching, taken)
          return (await world.claimLabels(store, { group })).toSorted()
        }
        assert.deepEqual(await found({}), ['a1', 'a2', 'a3', 'b1'])
        assert.deepEqual(await found({ types: [otherType] }), ['other'])
        assert.deepEqual(await found({ types: ['case.happened', otherType] }), ['a1', 'a2', 'a3', 'b1', 'other'])
        assert.deepEqual(await found({ from }), ['a2', 'a3', 'b1'])
        assert.deepEqual(await found({ to }), ['a1', 'a2', 'b1'])
        assert.deepEqual(await found({ from, to, key: 'a' }), ['a2'])
        assert.deepEqual(await found({ key: 'nobody' }), [])
        assert.deepEqual(await found({ stream: `${world.stream}-3` }), [])
      },
    },
    {
      name: 'what the group has taken is passed over, unless it is said to run again',
      async run(world) {
        const store = await world.open()
        const [first, ...rest] = keyed(world, 'a', 3)
        assert.ok(first)
        await append(store, [first, ...rest])
        assert.deepEqual(await accept(world, store, first), ['new'])
        assert.equal((await store.history.count(world.group, rangeOf(world))).known, 1)
        assert.deepEqual(await replay(world, store), { taken: 2, skipped: 1 })
        assert.deepEqual(await runAll(world, store), ['a2', 'a3'])
        assert.deepEqual(await replay(world, store), { taken: 0, skipped: 3 })
        assert.deepEqual(await replay(world, store, {}, { again: true }), { taken: 3, skipped: 0 })
        assert.deepEqual(await runAll(world, store), ['a1', 'a2', 'a3'])
        assert.deepEqual(await accept(world, store, first), ['duplicate'])
      },
    },
    {
      name: 'replaying twice at once takes each message once, also where it runs again',
      async run(world) {
        const [store, other] = [await world.open('one'), await world.open('other')]
        await append(store, [...keyed(world, 'a', 6), ...keyed(world, 'b', 6)])
        const fresh = await Promise.all([replay(world, store), replay(world, other)])
        assert.equal(fresh[0].taken + fresh[1].taken, 12)
        assert.equal((await replay(world, store, {}, { again: true })).taken, 0, 'all of it still waits')
        const ran = await runAll(world, store)
        assert.deepEqual(
          ran.filter((label) => label.startsWith('a')),
          ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'],
        )
        const again = await Promise.all([
          replay(world, store, {}, { again: true }),
          replay(world, other, {}, { again: true }),
        ])
        assert.equal(again[0].taken + again[1].taken, 12)
        assert.equal((await runAll(world, store)).length, 12)
      },
    },
    {
      name: 'a page takes at most as many as asked, and the next goes on where it ended, in order',
      async run(world) {
        const store = await world.open()
        const keys = ['a', 'b', 'c']
        for (let n = 1; n <= 7; n++) {
          await append(
            store,
            keys.map((key) => wire(`${key}${n}`, { stream: world.stream, key })),
          )
        }
        const range = rangeOf(world)
        let next: string | null = await store.history.begin(range)
        const ran: string[] = []
        let pages = 0
        for (; next !== null; pages++) {
          const page = await store.history.take(world.group, range, next, { limit: 4, ordered: true, again: false })
          assert.ok(page.taken + page.skipped <= 4, `${page.taken} and ${page.skipped} of 4`)
          assert.ok(pages < 30, 'it comes to no end')
          next = page.next
          ran.push(...(await runAll(world, store)))
        }
        assert.equal(ran.length, 21)
        for (const key of keys) {
          const expected = Array.from({ length: 7 }, (_, index) => `${key}${index + 1}`)
          assert.deepEqual(
            ran.filter((label) => label.startsWith(key)),
            expected,
          )
        }
      },
    },
    {
      name: 'later messages of a key wait behind those that are replayed, and those behind what waits already',
      async run(world) {
        const store = await world.open()
        await append(store, keyed(world, 'a', 2))
        const waiting = wire('waiting', { stream: world.stream, key: 'a' })
        await world.park(store, waiting)
        await replay(world, store)
        const later = wire('later', { stream: world.stream, key: 'a' })
        assert.deepEqual(await accept(world, store, later), ['blocked'])
        assert.equal(await world.parkBehind(store, later), 'parked')
        assert.deepEqual(await accept(world, store, wire('b1', { stream: world.stream, key: 'b' })), ['new'])
        assert.deepEqual(await runAll(world, store), ['waiting', 'a1', 'a2', 'later'])
      },
    },
    {
      name: 'without order nothing waits for what is replayed',
      async run(world) {
        const store = await world.open()
        await append(store, keyed(world, 'a', 3))
        await replay(world, store, {}, { ordered: false })
        assert.deepEqual((await world.claimLabels(store)).toSorted(), ['a1', 'a2', 'a3'])
        assert.deepEqual(await accept(world, store, wire('a4', { stream: world.stream, key: 'a' })), ['new'])
      },
    },
    {
      name: 'what is dead is left to its dead letter, until that is settled',
      async run(world) {
        const store = await world.open()
        const [dead, other] = keyed(world, 'a', 2)
        assert.ok(dead && other)
        await append(store, [dead, other])
        await store.transaction((tx) => store.deadLetters.bury(tx, world.group, dead, death, { block: false }))
        assert.deepEqual(await replay(world, store, {}, { again: true }), { taken: 1, skipped: 1 })
        assert.deepEqual(await runAll(world, store), ['a2'])
        await store.deadLetters.discard({ group: world.group })
        assert.deepEqual(await replay(world, store, { key: 'a' }, { again: true }), { taken: 2, skipped: 0 })
        assert.deepEqual(await runAll(world, store), ['a1', 'a2'])
      },
    },
    {
      name: 'what commits after the beginning is not part of it, nor what was rolled back, and nobody waits for it',
      async run(world) {
        const store = await world.open()
        await append(store, keyed(world, 'a', 1))
        const late = await world.hold(store, (tx) =>
          store.append(tx, [wire('late', { stream: world.stream, key: 'b' })]),
        )
        const undone = await world.hold(store, (tx) => store.append(tx, [wire('undone', { stream: world.stream })]))
        await undone.rollBack()
        const range = rangeOf(world)
        const position = await store.history.begin(range)
        await late.commit()
        await append(store, [wire('a2', { stream: world.stream, key: 'a' })])
        const options = { limit: 100, ordered: true, again: false }
        assert.equal((await store.history.take(world.group, range, position, options)).taken, 1)
        assert.deepEqual(await runAll(world, store), ['a1'])
        assert.equal((await replay(world, store)).taken, 2)
        assert.deepEqual((await runAll(world, store)).toSorted(), ['a2', 'late'])
      },
    },
    {
      name: 'every priority is part of it',
      async run(world) {
        const store = await world.open()
        const priorities = ['critical', 'normal', 'high'] as const
        await append(
          store,
          priorities.map((priority) => wire(priority, { stream: world.stream, priority })),
        )
        assert.equal((await replay(world, store)).taken, 3)
        const claimed = await world.claim(store)
        assert.deepEqual(
          claimed.map(({ message }) => `${labelOf(message)} ${message.priority}`).toSorted(),
          priorities.map((priority) => `${priority} ${priority}`).toSorted(),
        )
      },
    },
    {
      name: 'what the log does not hold is refused before anything happens, and it says since when it holds everything',
      async run(world) {
        const store = await world.open()
        await append(store, keyed(world, 'a', 1))
        const since = await store.history.heldSince()
        assert.ok(since <= (await store.schedule.now()))
        const range = rangeOf(world, { from: new Date(since.getTime() - 1) })
        const refusal = (error: unknown): boolean =>
          error instanceof Error &&
          'code' in error &&
          error.code === 'ACUSE_HISTORY_GONE' &&
          error.message.includes(since.toISOString())
        await assert.rejects(store.history.begin(range), refusal)
        await assert.rejects(store.history.count(world.group, range), refusal)
        assert.deepEqual(await store.parked.counts(world.group), {})
        assert.equal((await replay(world, store, { from: since })).taken, 1)
      },
    },
    {
      name: 'a position that no replay gave is refused',
      async run(world) {
        const store = await world.open()
        const options = { limit: 10, ordered: true, again: false }
        for (const position of ['', '0', '{}', 'null', '{"gen":1}']) {
          await assert.rejects(store.history.take(world.group, rangeOf(world), position, options), {
            code: 'ACUSE_CONFIGURATION',
          })
        }
      },
    },
  ]
}

function keyed<Tx>(world: StoreWorld<Tx>, key: string, count: number): WireMessage[] {
  return series(count, { stream: world.stream, key })
}

async function append<Tx>(store: Store<Tx>, messages: readonly WireMessage[]): Promise<void> {
  await store.transaction((tx) => store.append(tx, messages))
}

function rangeOf<Tx>(world: StoreWorld<Tx>, range: Partial<HistoryRange> = {}): HistoryRange {
  return { stream: world.stream, types: ['case.happened'], ...range }
}

/** Takes all of a range, in pages of three. */
async function replay<Tx>(
  world: StoreWorld<Tx>,
  store: Store<Tx>,
  parts: Partial<HistoryRange> = {},
  options: Partial<HistoryTake> = {},
  group: string = world.group,
): Promise<{ taken: number; skipped: number }> {
  const range = rangeOf(world, parts)
  const sum = { taken: 0, skipped: 0 }
  let next: string | null = await store.history.begin(range)
  for (let pages = 0; next !== null; pages++) {
    assert.ok(pages < 100, 'it comes to no end')
    const page = await store.history.take(group, range, next, { limit: 3, ordered: true, again: false, ...options })
    sum.taken += page.taken
    sum.skipped += page.skipped
    next = page.next
  }
  return sum
}

/** Runs what waits until nothing is due any more; the labels in the order they ran. */
async function runAll<Tx>(world: StoreWorld<Tx>, store: Store<Tx>): Promise<string[]> {
  const ran: string[] = []
  for (;;) {
    const claims = await world.claim(store)
    if (claims.length === 0) return ran
    for (const claim of claims) {
      ran.push(labelOf(claim.message))
      assert.equal(await world.complete(store, claim), true)
    }
  }
}

function accept<Tx>(world: StoreWorld<Tx>, store: Store<Tx>, message: WireMessage): Promise<readonly string[]> {
  return store.transaction((tx) => store.inbox.accept(tx, world.group, [{ message, ordered: true }]))
}
