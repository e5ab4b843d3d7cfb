import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { Collector } from './collector.ts'
import { assertSame, labelOf, partitions, series, uniqueName, wire } from './messages.ts'
import { inRolledBack, type StoreWorld } from './store-world.ts'

/** Transactions, and what is appended in them. */
export function transactionCases<Tx>(): readonly Case<StoreWorld<Tx>>[] {
  return [
    {
      name: 'what is written and appended in one transaction is there when it commits, in order, and the result is passed on',
      async run(world) {
        const store = await world.open()
        const result = await store.transaction(async (tx) => {
          await world.harness.write(tx, 'row', 'written')
          await store.append(tx, series(2, { stream: world.stream, key: 'a' }))
          await store.append(tx, [])
          await store.append(tx, [wire('a3', { stream: world.stream, key: 'a' })])
          return 42
        })
        assert.equal(result, 42)
        assert.equal(await world.harness.read('row'), 'written')
        assert.deepEqual(await world.logged(store, 3), ['a1', 'a2', 'a3'])
      },
    },
    {
      name: 'a rejection rolls everything back and is passed on as it is',
      async run(world) {
        const store = await world.open()
        const failure = new TypeError('the handler failed')
        const message = wire('a1', { stream: world.stream, key: 'a' })
        const work = store.transaction(async (tx) => {
          await world.harness.write(tx, 'row', 'written')
          await store.append(tx, [message])
          await store.inbox.accept(tx, world.group, [{ message, ordered: true }])
          await store.sagas.save(tx, world.group, 'saga', { state: 1, version: 1, completed: false, timeouts: {} })
          throw failure
        })
        await assert.rejects(work, (error) => error === failure)
        assert.equal(await world.harness.read('row'), undefined)
        assert.deepEqual(await world.logged(store, 0), [])
        const [verdict] = await store.transaction((tx) =>
          store.inbox.accept(tx, world.group, [{ message, ordered: true }]),
        )
        assert.equal(verdict, 'new')
        assert.equal(await store.transaction((tx) => store.sagas.load(tx, world.group, 'saga')), undefined)
      },
    },
    {
      name: 'nothing is delivered before it is committed, and a late commit is not skipped',
      async run(world) {
        const store = await world.open()
        const got = new Collector()
        const source = { group: world.group, types: 'all', from: 'now', prefetch: 100 } as const
        const subscription = await store.log.consume({ ...source, streams: [{ name: world.stream, partitions }] }, got)
        const late = await world.hold(store, (tx) =>
          store.append(tx, [wire('late', { stream: world.stream, key: 'a' })]),
        )
        const never = await world.hold(store, (tx) =>
          store.append(tx, [wire('never', { stream: world.stream, key: 'b' })]),
        )
        await store.transaction((tx) => store.append(tx, [wire('early', { stream: world.stream, key: 'c' })]))
        await world.eventually(() => assert.deepEqual(got.labels(), ['early']))
        await world.quiet()
        assert.deepEqual(got.labels(), ['early'])
        await never.rollBack()
        await late.commit()
        await world.eventually(() => assert.deepEqual(got.labels(), ['early', 'late']))
        await world.quiet()
        assert.deepEqual(got.labels(), ['early', 'late'])
        await subscription.stop(5_000)
      },
    },
    {
      name: 'only a client inside an open transaction is one',
      async run(world) {
        const store = await world.open()
        let finished: Tx | undefined
        await store.transaction(async (tx) => {
          finished = tx
          assert.equal(store.isTransaction(tx), true)
        })
        assert.equal(store.isTransaction(finished), false, 'a finished transaction')
        const rolledBack = await inRolledBack(store, async (tx) => tx)
        assert.equal(store.isTransaction(rolledBack), false, 'a rolled back transaction')
        for (const candidate of [world.harness.outside, undefined, null, {}, 'tx']) {
          assert.equal(store.isTransaction(candidate), false)
        }
      },
    },
    {
      name: 'appending to a transaction that is over rejects and appends nothing',
      async run(world) {
        const store = await world.open()
        const finished = await store.transaction(async (tx) => tx)
        await assert.rejects(async () => store.append(finished, [wire('lost', { stream: world.stream })]))
        assert.deepEqual(await world.logged(store, 0), [])
      },
    },
    {
      name: 'an aborted transaction ends without effect, whatever its work does',
      async run(world) {
        const store = await world.open()
        const message = wire('a1', { stream: world.stream, key: 'a' })
        await assert.rejects(
          store.transaction(async (tx) => {
            await store.append(tx, [message])
            await store.inbox.accept(tx, world.group, [{ message, ordered: true }])
            store.abort(tx)
          }),
        )
        const [verdict] = await store.transaction((tx) =>
          store.inbox.accept(tx, world.group, [{ message, ordered: true }]),
        )
        assert.equal(verdict, 'new')
        assert.deepEqual(await world.logged(store, 0), [])
      },
    },
    {
      name: 'stores opened on one database have one identity and one log',
      async run(world) {
        const [one, other] = [await world.open('one'), await world.open('other')]
        assert.equal(one.log.identity, other.log.identity)
        await one.transaction((tx) => one.append(tx, [wire('from one', { stream: world.stream })]))
        assert.deepEqual(await world.logged(other, 1), ['from one'])
      },
    },
    {
      name: 'a relay reads every stream of the log, also those that did not exist when it began',
      async run(world) {
        const store = await world.open()
        const got = new Collector()
        const source = { group: world.group, streams: 'all', types: 'all', from: 'now', prefetch: 100 } as const
        const subscription = await store.log.consume(source, got)
        const streams = [uniqueName('stream'), uniqueName('stream'), uniqueName('stream')]
        const sent = streams.flatMap((stream, index) => series(5, { stream, key: `k${index}x` }))
        await store.transaction((tx) => store.append(tx, sent))
        await world.eventually(() => assert.deepEqual(got.labels().toSorted(), sent.map(labelOf).toSorted()))
        for (const [index] of streams.entries()) {
          assert.deepEqual(got.labels(`k${index}x`), sent.map(labelOf).slice(index * 5, index * 5 + 5))
        }
        await subscription.stop(5_000)
      },
    },
    {
      name: 'what is appended comes out of the log to the byte',
      async run(world) {
        const store = await world.open()
        const sent = [
          wire('', {
            stream: world.stream,
            key: 'clé-🔑',
            headers: { 'ce-subject': 'ñandú 🚚 "quoted" \\ back', 'ce-empty': '' },
            body: Uint8Array.from({ length: 256 }, (_, byte) => byte),
          }),
          wire('', { stream: world.stream, key: null, priority: 'critical', body: new Uint8Array(0) }),
        ]
        await store.transaction((tx) => store.append(tx, sent))
        const got = new Collector()
        const source = { group: world.group, types: 'all', from: 'earliest', prefetch: 100 } as const
        const subscription = await store.log.consume({ ...source, streams: [{ name: world.stream, partitions }] }, got)
        await world.eventually(() => assert.equal(got.deliveries.length, sent.length))
        for (const message of sent) {
          assertSame(got.deliveries.find((delivery) => delivery.message.id === message.id)?.message, message)
        }
        await subscription.stop(5_000)
      },
    },
  ]
}
