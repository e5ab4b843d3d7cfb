import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { labelOf, series, uniqueName, wire } from './messages.ts'
import type { TransportWorld } from './transport-world.ts'

/** Who gets what. */
export const groupCases: readonly Case<TransportWorld>[] = [
  {
    name: 'every group gets everything, and a group can read several streams',
    async run(world) {
      const transport = await world.open()
      const other = uniqueName('stream')
      const groups = [uniqueName('group'), uniqueName('group')]
      const consumers = await Promise.all(
        groups.map((group) => world.consume(transport, { group, streams: [world.stream, other] })),
      )
      const one = series(10, { stream: world.stream, key: 'a' })
      const two = series(10, { stream: other, key: 'b' })
      await world.publish(transport, [...one, ...two])
      for (const { got } of consumers) await world.expectEach([got], [...one, ...two].map(labelOf))
    },
  },
  {
    name: 'two consumers of one group share it: each message comes once in quiet times, in order per key',
    async run(world) {
      const [first, second, publisher] = [await world.open('a'), await world.open('b'), await world.open('c')]
      world.require(first.capabilities.ordered, 'order per key')
      const one = await world.consume(first)
      const two = await world.consume(second)
      const keys = Array.from({ length: 30 }, (_, index) => `k${index}x`)
      const perKey = keys.map((key) => series(10, { stream: world.stream, key }))
      for (let place = 0; place < 10; place++) {
        await world.publish(
          publisher,
          perKey.flatMap((messages) => messages[place] ?? []),
        )
      }
      await world.expectEach([one.got, two.got], perKey.flat().map(labelOf))
      for (const [index, key] of keys.entries()) {
        for (const { got } of [one, two]) assertInOrder(got.labels(key), perKey[index]?.map(labelOf) ?? [])
      }
    },
  },
  {
    name: 'only the asked types are delivered',
    async run(world) {
      const transport = await world.open()
      const { got } = await world.consume(transport, { types: ['case.wanted', 'case.also-wanted'] })
      const types = ['case.wanted', 'case.unwanted', 'case.also-wanted', 'case.wanted.not']
      const messages = types.flatMap((type) => series(5, { stream: world.stream, key: `${type}:`, type }))
      await world.publish(transport, messages)
      await world.expectEach(
        [got],
        messages.filter(({ type }) => type === 'case.wanted' || type === 'case.also-wanted').map(labelOf),
      )
    },
  },
  {
    name: 'what one stream carries is not delivered to readers of another, nor to a group that started later at now',
    async run(world) {
      const transport = await world.open()
      const early = await world.consume(transport)
      const elsewhere = await world.consume(transport, { group: uniqueName('group'), streams: [uniqueName('stream')] })
      await world.publish(transport, series(5, { stream: world.stream, key: 'a' }))
      await world.expectLabels(early.got, ['a1', 'a2', 'a3', 'a4', 'a5'])
      const late = await world.consume(transport, { group: uniqueName('group'), from: 'now' })
      await world.publish(transport, [wire('new', { stream: world.stream, key: 'a' })])
      await world.expectLabels(late.got, ['new'])
      assert.deepEqual(elsewhere.got.labels(), [])
    },
  },
  {
    name: 'a group that was there before gets what was published while nobody consumed for it',
    async run(world) {
      const transport = await world.open()
      const before = await world.consume(transport)
      await world.publish(transport, [wire('seen', { stream: world.stream, key: 'a' })])
      await world.expectLabels(before.got, ['seen'])
      await world.settles(before.subscription.stop(5_000), 10_000, 'stop')
      await world.publish(transport, series(5, { stream: world.stream, key: 'a' }))
      const back = await world.consume(await world.open('back'), { from: 'now' })
      await world.expectLabels(back.got, ['a1', 'a2', 'a3', 'a4', 'a5'])
    },
  },
  {
    name: 'a new group starts at the earliest message, at a time, or at now',
    async run(world) {
      const transport = await world.open()
      world.require(transport.capabilities.history, 'history: a new group starting at earliest or at a time')
      await world.consume(transport)
      await world.publish(transport, series(3, { stream: world.stream, key: 'a' }))
      await world.quiet()
      const between = world.harness.now?.() ?? new Date()
      await world.quiet()
      await world.publish(transport, series(3, { stream: world.stream, key: 'b' }))
      const from = async (start: 'now' | 'earliest' | Date) =>
        (await world.consume(transport, { group: uniqueName('group'), from: start })).got
      const [earliest, since, now] = [await from('earliest'), await from(between), await from('now')]
      await world.expectEach([earliest], ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
      await world.expectEach([since], ['b1', 'b2', 'b3'])
      await world.expectEach([now], [])
    },
  },
  {
    name: 'a higher priority is taken first, and each priority keeps its order',
    async run(world) {
      const transport = await world.open()
      world.require(transport.capabilities.priorities, 'lanes by priority')
      const { got } = await world.consume(transport, { prefetch: 1, hold: true })
      await world.publish(transport, [wire('first', { stream: world.stream, key: 'a' })])
      await world.take(got, 1)
      const normal = series(10, { stream: world.stream, key: 'n' })
      const critical = series(3, { stream: world.stream, key: 'c', priority: 'critical' })
      await world.publish(transport, normal)
      await world.publish(transport, critical)
      // Time for what is published to reach the consumer, which may hold a few of the normal ones by then.
      await world.quiet()
      got.onDelivery = (delivery) => got.ack(delivery)
      got.ackAll()
      await world.take(got, 14)
      assertInOrder(got.labels('n'), normal.map(labelOf))
      assertInOrder(got.labels('c'), critical.map(labelOf))
      const lastCritical = got.labels().lastIndexOf('c3')
      assert.ok(lastCritical <= 8, `the critical messages came late: ${got.labels().join(' ')}`)
    },
  },
]

/** Whether what came is in the order of what was sent; it need not be all of it. */
export function assertInOrder(came: readonly string[], sent: readonly string[]): void {
  const places = came.map((label) => sent.indexOf(label))
  assert.deepEqual(
    places,
    places.toSorted((one, other) => one - other),
    `out of order: ${came.join(' ')}`,
  )
}
