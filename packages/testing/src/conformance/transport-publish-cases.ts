import assert from 'node:assert/strict'
import type { PublishResult } from '@acuse/core'
import type { Case } from './case.ts'
import { labelOf, series, wire } from './messages.ts'
import type { TransportWorld } from './transport-world.ts'

/** What publishing promises. */
export const publishCases: readonly Case<TransportWorld>[] = [
  {
    name: 'transports opened on one server have one identity, and a name',
    async run(world) {
      const [one, other] = [await world.open('one'), await world.open('other')]
      assert.equal(one.identity, other.identity)
      assert.ok(one.name !== '' && one.identity !== '')
    },
  },
  {
    name: 'publishing gives one result a message, in the order of the batch, and nothing for an empty batch',
    async run(world) {
      const transport = await world.open()
      const { got } = await world.consume(transport)
      const batch = [...series(5, { stream: world.stream, key: 'a' }), wire('free', { stream: world.stream })]
      const results = await transport.publish(batch, AbortSignal.timeout(60_000))
      assert.deepEqual(
        results,
        batch.map(() => ({ state: 'delivered' })),
      )
      assert.deepEqual(await transport.publish([], AbortSignal.timeout(60_000)), [])
      await world.expectEach([got], batch.map(labelOf))
    },
  },
  {
    name: 'one key keeps its order across types, calls, and calls that are not awaited',
    async run(world) {
      const transport = await world.open()
      world.require(transport.capabilities.ordered, 'order per key')
      const { got } = await world.consume(transport)
      const messages = series(60, { stream: world.stream, key: 'a' }).map((message, index) => ({
        ...message,
        type: `case.kind${index % 3}`,
      }))
      await world.publish(transport, messages.slice(0, 10))
      const calls = [10, 11, 30].map((start, index, starts) =>
        world.publish(transport, messages.slice(start, starts[index + 1] ?? 60)),
      )
      await Promise.all(calls)
      await world.expectLabels(got, messages.map(labelOf))
    },
  },
  {
    name: 'many keys from many publishers at once each keep their order, and nothing is lost or doubled',
    async run(world) {
      const consuming = await world.open()
      world.require(consuming.capabilities.ordered, 'order per key')
      const { got } = await world.consume(consuming, { prefetch: 50 })
      const keys = Array.from({ length: 24 }, (_, index) => `k${index}x`)
      const publishers = await Promise.all([1, 2, 3].map((index) => world.open(`publisher${index}`)))
      await Promise.all(
        publishers.map(async (publisher, index) => {
          const own = keys.filter((_, at) => at % publishers.length === index)
          for (let from = 0; from < 25; from += 5) {
            const batch = own.map((key) => series(25, { stream: world.stream, key }).slice(from, from + 5))
            // Interleaved: the first of every key, then the second of every key, …
            await world.publish(
              publisher,
              [0, 1, 2, 3, 4].flatMap((place) => batch.flatMap((ofKey) => ofKey[place] ?? [])),
            )
          }
        }),
      )
      const expected = (key: string): string[] => Array.from({ length: 25 }, (_, index) => `${key}${index + 1}`)
      await world.expectEach([got], keys.flatMap(expected))
      for (const key of keys) assert.deepEqual(got.labels(key), expected(key))
    },
  },
  {
    name: 'where a message is refused, no later one of its key in the batch is delivered, and other keys are',
    async run(world) {
      const transport = await world.open()
      const { got } = await world.consume(transport)
      const refuse = world.harness.refused?.bind(world.harness)
      world.require(refuse !== undefined, 'holding a key back behind a refused message')
      const [first, second, third] = series(3, { stream: world.stream, key: 'a' })
      assert.ok(refuse && first && second && third)
      const other = wire('b1', { stream: world.stream, key: 'b' })
      const results = await transport.publish([first, refuse(second), third, other], AbortSignal.timeout(60_000))
      assert.deepEqual(
        results.map(({ state }) => state),
        ['delivered', 'failed', 'failed', 'delivered'],
      )
      const held = results[2]
      assert.ok(held?.state === 'failed' && held.error.retryable, 'what was held back can be sent again')
      await world.expectEach([got], ['a1', 'b1'])
    },
  },
  {
    name: 'publishing settles when it is aborted: before it begins, and while it is under way',
    async run(world) {
      const transport = await world.open()
      const { got } = await world.consume(transport, { prefetch: 1_000 })
      const before = series(3, { stream: world.stream, key: 'a' })
      const refused = await world.settles(
        transport.publish(before, AbortSignal.abort()),
        5_000,
        'a publish with an aborted signal',
      )
      assertSettled(refused, before.length)
      const abort = new AbortController()
      const during = series(500, { stream: world.stream, key: 'b' })
      const publishing = transport.publish(during, abort.signal)
      abort.abort()
      const results = await world.settles(publishing, 5_000, 'a publish aborted under way')
      assertSettled(results, during.length)
      const confirmed = [...before, ...during].filter(
        (_, index) => [...refused, ...results][index]?.state === 'delivered',
      )
      await world.eventually(() => {
        const came = new Set(got.labels())
        assert.deepEqual(
          confirmed.map(labelOf).filter((label) => !came.has(label)),
          [],
        )
      })
      await world.publish(transport, [wire('after', { stream: world.stream, key: 'c' })])
      await world.eventually(() => assert.ok(got.labels().includes('after')))
    },
  },
]

/** Aborted messages may have arrived or not, but each says so, and what did not may be sent again. */
function assertSettled(results: readonly PublishResult[], count: number): void {
  assert.equal(results.length, count)
  for (const result of results) {
    if (result.state === 'failed') assert.equal(result.error.retryable, true, result.error.message)
  }
}
