import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { labelOf, series, wire } from './messages.ts'
import type { TransportWorld } from './transport-world.ts'

/** Ack, release, and how much may be out at once. */
export const settleCases: readonly Case<TransportWorld>[] = [
  {
    name: 'what was released comes again, in order, and does not count as possibly begun',
    async run(world) {
      const transport = await world.open()
      world.require(transport.capabilities.ordered, 'order per key')
      const { got } = await world.consume(transport, { prefetch: 5, hold: true })
      const messages = series(8, { stream: world.stream, key: 'a' })
      await world.publish(transport, messages)
      await world.take(got, 5)
      got.releaseAll()
      await world.take(got, 10)
      assert.deepEqual(got.labels(), ['a1', 'a2', 'a3', 'a4', 'a5', 'a1', 'a2', 'a3', 'a4', 'a5'])
      got.onDelivery = (delivery) => got.ack(delivery)
      got.ackAll()
      await world.expectLabels(got, [...got.labels().slice(0, 10), 'a6', 'a7', 'a8'])
      assert.deepEqual(
        got.deliveries.map(({ redelivered }) => redelivered),
        got.deliveries.map(() => false),
      )
    },
  },
  {
    name: 'nothing of a key overtakes what was released of it',
    async run(world) {
      const transport = await world.open()
      world.require(transport.capabilities.ordered, 'order per key')
      const { got } = await world.consume(transport, { prefetch: 1, hold: true })
      await world.publish(transport, series(5, { stream: world.stream, key: 'a' }))
      for (let turn = 1; turn <= 3; turn++) {
        await world.take(got, turn)
        got.releaseAll()
      }
      await world.take(got, 4)
      got.onDelivery = (delivery) => got.ack(delivery)
      got.ackAll()
      await world.expectLabels(got, ['a1', 'a1', 'a1', 'a1', 'a2', 'a3', 'a4', 'a5'])
    },
  },
  {
    name: 'no more than prefetch are out at once, over all streams of a subscription, and every ack makes room',
    async run(world) {
      const transport = await world.open()
      const streams = [world.stream, `${world.stream}-two`]
      const { got } = await world.consume(transport, { prefetch: 4, hold: true, streams })
      const messages = streams.flatMap((stream, index) => series(12, { stream, key: 'ab'[index] ?? 'c' }))
      await world.publish(transport, messages)
      await world.take(got, 4)
      await world.quiet()
      assert.equal(got.deliveries.length, 4)
      while (got.deliveries.length < messages.length) {
        const before = got.deliveries.length
        const [oldest] = got.held
        assert.ok(oldest)
        got.ack(oldest)
        await world.take(got, before + 1)
      }
      got.ackAll()
      await world.expectEach([got], messages.map(labelOf))
      assert.equal(got.mostHeld, 4)
    },
  },
  {
    name: 'acks count in any order: after a clean stop nothing acked comes again and everything else does',
    async run(world) {
      const transport = await world.open()
      const one = await world.consume(transport, { hold: true })
      const messages = ['a', 'b', 'c', 'd'].flatMap((key) => series(5, { stream: world.stream, key }))
      await world.publish(transport, messages)
      const came = await world.take(one.got, messages.length)
      const acked = came.filter((_, index) => index % 3 === 1)
      for (const delivery of acked.toReversed()) one.got.ack(delivery)
      const stopping = one.subscription.stop(60_000)
      const left = one.got.labelsHeld()
      one.got.releaseAll()
      await world.settles(stopping, 10_000, 'stop')
      const two = await world.consume(await world.open('second'))
      await world.expectEach([two.got], left)
      assert.equal(left.length, messages.length - acked.length)
      assert.ok(two.got.deliveries.every(({ redelivered }) => !redelivered))
    },
  },
  {
    name: 'a paused subscription delivers nothing, and everything once it resumes',
    async run(world) {
      const transport = await world.open()
      const { got, subscription } = await world.consume(transport)
      await world.publish(transport, [wire('before', { stream: world.stream, key: 'a' })])
      await world.take(got, 1)
      subscription.pause()
      const messages = series(10, { stream: world.stream, key: 'a' })
      await world.publish(transport, messages)
      await world.quiet()
      assert.deepEqual(got.labels(), ['before'])
      subscription.resume()
      await world.expectLabels(got, ['before', ...messages.map(labelOf)])
    },
  },
  {
    name: 'settling twice is settling once',
    async run(world) {
      const transport = await world.open()
      const { got, subscription } = await world.consume(transport, { prefetch: 2, hold: true })
      await world.publish(transport, series(6, { stream: world.stream, key: 'a' }))
      const [first, second] = await world.take(got, 2)
      first?.ack()
      first?.ack()
      first?.release()
      await world.take(got, 3)
      await world.quiet()
      assert.deepEqual(got.labels(), ['a1', 'a2', 'a3'])
      second?.ack()
      got.deliveries[2]?.ack()
      got.onDelivery = (delivery) => delivery.ack()
      await world.take(got, 5)
      got.deliveries.at(-1)?.ack()
      got.deliveries.at(-2)?.ack()
      await world.expectLabels(got, ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'])
      await world.settles(subscription.stop(5_000), 10_000, 'stop')
    },
  },
]
