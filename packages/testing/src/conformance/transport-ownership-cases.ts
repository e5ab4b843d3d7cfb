import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { labelOf, series, wire } from './messages.ts'
import { assertInOrder } from './transport-group-cases.ts'
import type { TransportWorld } from './transport-world.ts'

const keys = Array.from({ length: 16 }, (_, index) => `k${index}x`)

/** What happens when an owner comes, goes, or dies. */
export const ownershipCases: readonly Case<TransportWorld>[] = [
  {
    name: 'after a crash what was not settled comes again as possibly begun, in order, and what was acked does not',
    async run(world) {
      const dying = await world.open('dying')
      world.require(dying.capabilities.ordered, 'order per key')
      const one = await world.consume(dying, { prefetch: 5, hold: true })
      const publisher = await world.open('publisher')
      await world.publish(publisher, series(9, { stream: world.stream, key: 'a' }))
      const came = await world.take(one.got, 5)
      for (const delivery of came.slice(0, 2)) one.got.ack(delivery)
      await world.take(one.got, 7)
      await world.acksStored()
      await world.crash(dying)
      const two = await world.consume(await world.open('next'))
      await world.expectLabels(two.got, ['a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9'])
      assert.deepEqual(
        two.got.deliveries.slice(0, 5).map(({ redelivered }) => redelivered),
        [true, true, true, true, true],
      )
    },
  },
  {
    name: 'what a crashed owner settles afterwards counts for nothing',
    async run(world) {
      const dying = await world.open('dying')
      const one = await world.consume(dying, { hold: true })
      const publisher = await world.open('publisher')
      await world.publish(publisher, series(3, { stream: world.stream, key: 'a' }))
      await world.take(one.got, 3)
      await world.crash(dying)
      const next = await world.open('next')
      const two = await world.consume(next, { hold: true })
      await world.take(two.got, 3)
      one.got.ackAll()
      await world.acksStored()
      await world.crash(next)
      const three = await world.consume(await world.open('last'))
      await world.eventually(() => assert.deepEqual(three.got.labels(), ['a1', 'a2', 'a3']))
    },
  },
  {
    name: 'a partition goes to another owner only when its revoke is answered, and no key is out at two owners at once',
    async run(world) {
      const first = await world.open('first')
      world.require(first.capabilities.ordered, 'order per key')
      const publisher = await world.open('publisher')
      const one = await world.consume(first, { hold: true })
      const opening = keys.flatMap((key) => series(2, { stream: world.stream, key }))
      await world.publish(publisher, opening)
      await world.take(one.got, opening.length)
      const letGo = Promise.withResolvers<void>()
      one.got.onRevoke = async (partition) => {
        await letGo.promise
        one.got.releaseAll(partition)
      }
      const two = await world.consume(await world.open('second'), { hold: true })
      const more = keys.map((key) => wire(`${key}3`, { stream: world.stream, key }))
      await world.publish(publisher, more)
      await world.quiet()
      const heldByOne = new Set([...one.got.held].map(({ message }) => message.key))
      for (const { message } of two.got.held) {
        assert.ok(!heldByOne.has(message.key), `${message.key ?? ''} is out at two owners`)
      }
      one.got.onDelivery = (delivery) => one.got.ack(delivery)
      two.got.onDelivery = (delivery) => two.got.ack(delivery)
      letGo.resolve()
      // Whatever was not revoked is applied by its old owner.
      await world.quiet()
      const moved = new Set(one.got.revoked)
      for (const delivery of [...one.got.held]) if (!moved.has(delivery.partition)) one.got.ack(delivery)
      two.got.ackAll()
      await world.eventually(() => {
        const last = new Set([...one.got.labels(), ...two.got.labels()])
        for (const message of [...opening, ...more])
          assert.ok(last.has(labelOf(message)), `${labelOf(message)} is missing`)
        assert.equal(one.got.held.size + two.got.held.size, 0)
      })
      for (const key of keys) {
        const final = [...one.got.labels(key), ...two.got.labels(key)].slice(-3)
        assert.deepEqual(final, [`${key}1`, `${key}2`, `${key}3`])
      }
      assert.ok([...one.got.deliveries, ...two.got.deliveries].every(({ redelivered }) => !redelivered))
    },
  },
  {
    name: 'stopping waits for what is out, lets go only then, and leaves nothing to be delivered again',
    async run(world) {
      const first = await world.open('first')
      world.require(first.capabilities.ordered, 'order per key')
      const publisher = await world.open('publisher')
      const one = await world.consume(first, { hold: true })
      const messages = keys.flatMap((key) => series(2, { stream: world.stream, key }))
      await world.publish(publisher, messages)
      await world.take(one.got, messages.length)
      let stopped = false
      const stopping = one.subscription.stop(600_000).then(() => (stopped = true))
      const two = await world.consume(await world.open('second'))
      await world.publish(
        publisher,
        keys.map((key) => wire(`${key}3`, { stream: world.stream, key })),
      )
      await world.quiet()
      assert.equal(stopped, false)
      assert.deepEqual(two.got.labels(), [], 'something went to another owner while the first one still held its key')
      assert.equal(one.got.deliveries.length, messages.length, 'something was delivered after stop')
      one.got.ackAll()
      await world.settles(stopping, 10_000, 'stop')
      await world.expectEach(
        [two.got],
        keys.map((key) => `${key}3`),
      )
      assert.ok(two.got.deliveries.every(({ redelivered }) => !redelivered))
    },
  },
  {
    name: 'stopping ends at its deadline, and what was still out comes again as possibly begun',
    async run(world) {
      const transport = await world.open()
      const one = await world.consume(transport, { hold: true })
      await world.publish(transport, series(3, { stream: world.stream, key: 'a' }))
      const [first] = await world.take(one.got, 3)
      first?.ack()
      await world.settles(one.subscription.stop(500), 10_000, 'stop')
      const two = await world.consume(await world.open('second'))
      await world.expectLabels(two.got, ['a2', 'a3'])
      assert.deepEqual(
        two.got.deliveries.map(({ redelivered }) => redelivered),
        [true, true],
      )
    },
  },
  {
    name: 'consumers come and go while messages flow: nothing is lost, and each key stays in order',
    async run(world) {
      const publisher = await world.open('publisher')
      world.require(publisher.capabilities.ordered, 'order per key')
      const consumers = [await world.consume(await world.open('c0'))]
      for (let round = 1; round <= 20; round++) {
        await world.publish(
          publisher,
          keys.map((key) => wire(`${key}${round}`, { stream: world.stream, key })),
        )
        if (round % 4 === 1) consumers.push(await world.consume(await world.open(`c${round}`)))
        if (round % 4 === 3) await consumers[round % consumers.length]?.subscription.stop(60_000)
      }
      const survivor = await world.consume(await world.open('survivor'))
      consumers.push(survivor)
      const came = (key: string): string[] => consumers.flatMap(({ got }) => got.labels(key))
      await world.eventually(() => {
        for (const key of keys)
          assert.ok(new Set(came(key)).size === 20, `${key}: ${new Set(came(key)).size} of 20 came`)
      })
      const sent = (key: string): string[] => Array.from({ length: 20 }, (_, index) => `${key}${index + 1}`)
      for (const key of keys) {
        for (const { got } of consumers) assertInOrder(got.labels(key), sent(key))
        assert.equal(came(key).length, 20, `${key} was delivered twice in quiet times`)
      }
    },
  },
  {
    name: 'messages and acks survive a restart of the server, and so do subscriptions',
    restartsServer: true,
    async run(world) {
      const restart = world.harness.restartServer?.bind(world.harness)
      world.require(restart !== undefined, 'surviving a restart of the server')
      const transport = await world.open()
      const one = await world.consume(transport, { hold: true })
      await world.publish(transport, series(6, { stream: world.stream, key: 'a' }))
      const came = await world.take(one.got, 6)
      for (const delivery of came.slice(0, 2)) one.got.ack(delivery)
      await world.acksStored()
      one.got.onDelivery = (delivery) => one.got.ack(delivery)
      await restart?.()
      const again = (): string[] => [...new Set(one.got.labels().slice(6))]
      await world.eventually(() => assert.deepEqual(again(), ['a3', 'a4', 'a5', 'a6']))
      await world.eventually(() => world.publish(transport, [wire('after', { stream: world.stream, key: 'a' })]))
      await world.eventually(() => assert.ok(again().includes('after')))
      const late = await world.consume(await world.open('late'))
      await world.quiet()
      assert.deepEqual(
        late.got.labels().filter((label) => label !== 'after'),
        [],
      )
    },
  },
]
