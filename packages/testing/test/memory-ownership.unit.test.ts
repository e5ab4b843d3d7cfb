import assert from 'node:assert/strict'
import type { Delivery, Subscription } from '@acuse/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { wire } from '../src/conformance/messages.ts'
import { createVirtualClock, memoryTransport, type MemoryTransportFactory, type VirtualClock } from '../src/index.ts'
import { contextOf } from './memory-harness.ts'

/** A consumer of the group: what it has in hand, in the order it came. */
interface Member {
  readonly name: string
  readonly held: Delivery[]
  subscription: Subscription | undefined
}

/** The broker, and what became of each message. */
class World {
  readonly clock: VirtualClock = createVirtualClock()
  readonly broker: MemoryTransportFactory = memoryTransport(this.clock)
  readonly acked = new Set<string>()
  readonly published: { readonly id: string; readonly key: string }[] = []
  members: Member[] = []
  #joined = 0

  async publish(key: string): Promise<void> {
    const message = wire(`${key}${this.published.length}`, { stream: 's', key })
    this.published.push({ id: message.id, key })
    const transport = await this.broker(contextOf('publisher', this.clock))
    await transport.publish([message], new AbortController().signal)
  }

  async join(): Promise<void> {
    const member: Member = { name: `m${++this.#joined}`, held: [], subscription: undefined }
    const transport = await this.broker(contextOf(member.name, this.clock))
    this.members.push(member)
    const streams = [{ name: 's', partitions: 4 }]
    member.subscription = await transport.consume(
      { group: 'g', streams, types: 'all', from: 'earliest', prefetch: 5 },
      {
        deliver: (deliveries) => {
          for (const delivery of deliveries) {
            assert.ok(!this.acked.has(delivery.message.id), 'what was acked comes again')
            member.held.push(delivery)
          }
        },
        revoke: async (partition) => {
          for (const delivery of take(member, (one) => one.partition === partition)) delivery.release()
        },
      },
    )
  }

  ack(member: Member): void {
    const first = member.held.shift()
    if (first === undefined) return
    this.acked.add(first.message.id)
    first.ack()
  }

  async leave(member: Member): Promise<void> {
    this.members = this.members.filter((other) => other !== member)
    for (const delivery of take(member, () => true)) delivery.release()
    await member.subscription?.stop(1_000)
  }

  crash(member: Member): void {
    this.members = this.members.filter((other) => other !== member)
    this.broker.crash(member.name)
  }

  /** Each message, and each key, is with one owner at most, and each owner has a key in order. */
  check(): void {
    const owners = new Map<string, string>()
    for (const { name, held } of this.members) {
      const ids = held.map(({ message }) => message.id)
      assert.equal(new Set(ids).size, ids.length, `${name} has a message twice`)
      for (const { message } of held) {
        const key = message.key ?? ''
        assert.equal(owners.get(key) ?? name, name, `key ${key} is with two owners`)
        owners.set(key, name)
      }
      for (const key of ['a', 'b', 'c']) {
        const places = held.filter(({ message }) => message.key === key).map(({ message }) => this.#placeOf(message.id))
        const inOrder = places.toSorted((one, other) => one - other)
        assert.deepEqual(places, inOrder, `${name} has key ${key} in another order`)
      }
    }
  }

  #placeOf(id: string): number {
    return this.published.findIndex((one) => one.id === id)
  }
}

function take(member: Member, matches: (delivery: Delivery) => boolean): Delivery[] {
  const taken = member.held.filter(matches)
  member.held.splice(0, member.held.length, ...member.held.filter((one) => !matches(one)))
  return taken
}

type Step = readonly [what: 'publish' | 'join' | 'leave' | 'crash' | 'ack' | 'release', pick: number]

async function doStep(world: World, [what, pick]: Step): Promise<void> {
  const member = world.members[pick % Math.max(1, world.members.length)]
  if (what === 'publish') await world.publish(['a', 'b', 'c'][pick % 3] ?? 'a')
  else if (what === 'join' && world.members.length < 4) await world.join()
  else if (member === undefined) return
  else if (what === 'ack') world.ack(member)
  else if (what === 'leave') await world.leave(member)
  else if (what === 'crash') world.crash(member)
  // From the end, as what has not begun is given back.
  else if (what === 'release') for (const delivery of take(member, () => true).toReversed()) delivery.release()
}

it(
  'a key in the in-memory transport is with one owner, in order, through joins, leaves and crashes, and nothing is lost',
  { timeout: 60_000 },
  async () => {
    const what = fc.constantFrom(
      'publish',
      'publish',
      'publish',
      'join',
      'leave',
      'crash',
      'ack',
      'ack',
      'ack',
      'release',
    )
    const steps: fc.Arbitrary<Step[]> = fc.array(fc.tuple(what, fc.nat({ max: 11 })), { maxLength: 40, size: 'max' })
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const world = new World()
        await world.join()
        for (const step of list) {
          await doStep(world, step)
          await world.clock.settle()
          world.check()
        }
        for (const member of world.members) world.crash(member)
        await world.join()
        for (let round = 0; round <= world.published.length; round++) {
          await world.clock.settle()
          for (const member of world.members) world.ack(member)
        }
        expect(world.published.filter(({ id }) => !world.acked.has(id))).toEqual([])
      }),
      { numRuns: 300 },
    )
  },
)
