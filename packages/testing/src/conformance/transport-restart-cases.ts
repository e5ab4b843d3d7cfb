import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { labelOf, series, wire } from './messages.ts'
import type { TransportWorld } from './transport-world.ts'

const keys = Array.from({ length: 6 }, (_, index) => `k${index}x`)

/** What the server has taken is there after it was killed, and what was out is known. */
export const restartCases: readonly Case<TransportWorld>[] = [
  {
    name: 'what was confirmed is there when the server is killed in the same moment',
    restartsServer: true,
    async run(world) {
      const restart = restartOf(world)
      const transport = await world.open()
      const { got } = await world.consume(transport)
      const messages = keys.flatMap((key) => series(5, { stream: world.stream, key }))
      await world.publish(transport, messages)
      await restart()
      await world.eventually(() => {
        const came = new Set(got.labels())
        assert.deepEqual(
          messages.map(labelOf).filter((label) => !came.has(label)),
          [],
        )
      })
    },
  },
  {
    name: 'acks in any order, and what was out, are known after a restart of the server',
    restartsServer: true,
    async run(world) {
      const restart = restartOf(world)
      const dying = await world.open('dying')
      const one = await world.consume(dying, { hold: true })
      const publisher = await world.open('publisher')
      const messages = keys.map((key) => wire(`${key}1`, { stream: world.stream, key }))
      await world.publish(publisher, messages)
      const came = await world.take(one.got, messages.length)
      for (const delivery of [came[4], came[1]]) if (delivery !== undefined) one.got.ack(delivery)
      const left = one.got.labelsHeld()
      await world.acksStored()
      await world.crash(dying)
      await restart()
      const next = await world.open('next')
      const two = await world.eventually(() => world.consume(next))
      await world.expectEach([two.got], left)
      assert.ok(two.got.deliveries.every(({ redelivered }) => redelivered))
    },
  },
  {
    name: 'what was released while paused comes again in order, whichever was released first',
    async run(world) {
      const transport = await world.open()
      world.require(transport.capabilities.ordered, 'order per key')
      const { got, subscription } = await world.consume(transport, { prefetch: 5, hold: true })
      await world.publish(transport, series(7, { stream: world.stream, key: 'a' }))
      await world.take(got, 5)
      subscription.pause()
      got.onDelivery = (delivery) => got.ack(delivery)
      for (const delivery of [...got.held].toReversed()) got.release(delivery)
      await world.quiet()
      assert.equal(got.deliveries.length, 5, 'something was delivered while it was paused')
      subscription.resume()
      await world.eventually(() => assert.ok(got.labels().length >= 12))
      assert.deepEqual(got.labels().slice(5), ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'])
    },
  },
  {
    name: 'a paused subscription is still paused after a restart of the server',
    restartsServer: true,
    async run(world) {
      const restart = restartOf(world)
      const transport = await world.open()
      const { got, subscription } = await world.consume(transport)
      subscription.pause()
      await restart()
      await world.eventually(() => world.publish(transport, [wire('a1', { stream: world.stream, key: 'a' })]))
      for (let turn = 0; turn < 5; turn++) await world.quiet()
      assert.deepEqual(got.labels(), [])
      subscription.resume()
      await world.eventually(() => assert.ok(got.labels().includes('a1')))
    },
  },
  {
    name: 'after a restart of the server nothing comes again before its revoke is answered, and what came before counts for nothing',
    restartsServer: true,
    async run(world) {
      const restart = restartOf(world)
      const transport = await world.open()
      const { got } = await world.consume(transport, { hold: true })
      await world.publish(transport, series(3, { stream: world.stream, key: 'a' }))
      const before = await world.take(got, 3)
      const letGo = Promise.withResolvers<void>()
      let answered = false
      got.onRevoke = () => letGo.promise
      got.onDelivery = ({ message }) => assert.ok(answered, `${labelOf(message)} came again too early`)
      await restart()
      for (let turn = 0; turn < 5; turn++) await world.quiet()
      assert.equal(got.deliveries.length, 3, `something came again before the revoke was answered`)
      got.onDelivery = () => undefined
      answered = true
      letGo.resolve()
      // A transport whose deliveries outlive the break never revokes: then there is nothing more to show.
      if (got.revoked.length === 0) return
      await world.take(got, 6)
      for (const delivery of before) delivery.ack()
      await world.acksStored()
      await world.crash(transport)
      const two = await world.consume(await world.open('next'))
      await world.expectLabels(two.got, ['a1', 'a2', 'a3'])
    },
  },
]

function restartOf(world: TransportWorld): () => Promise<void> {
  const restart = world.harness.restartServer?.bind(world.harness)
  world.require(restart !== undefined, 'surviving a restart of the server')
  return async () => restart?.()
}
