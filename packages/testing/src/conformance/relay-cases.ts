import assert from 'node:assert/strict'
import type { Case } from './case.ts'
import { type Break, RelayedStream, type RelayWorld } from './relay-world.ts'

/** How soon other streams have to arrive, whatever is wrong with one. */
const othersWithinMs = 15_000
/** More than a relay takes from the log at once, so that it has to set something aside. */
const crowd = 2_400
const crowdKeys = 24

/** What a relay promises when something of the broker is wrong: it stalls its own keys, and ends as a dead letter or goes on when it is mended. */
export const relayCases: readonly Case<RelayWorld>[] = [
  {
    name: 'a stream that may not be published to stalls its own keys, says so in the relay’s state, and goes on in order when it is granted',
    run: async (world) => stall(world, world.require(world.harness.forbid, 'a stream that may not be published to')),
  },
  {
    name: 'a full queue stalls its own keys, says so in the relay’s state, and goes on in order when there is room',
    run: async (world) => stall(world, world.require(world.harness.fill, 'a full queue'), world.harness.fullIsWhole),
  },
  {
    name: 'a destination that is gone stalls its own keys, says so in the relay’s state, and goes on in order when it is there',
    run: async (world) => stall(world, world.require(world.harness.misroute, 'a destination that is gone')),
  },
  {
    name: 'what stalls for long leaves the others their place, and comes in order when it is mended',
    async run(world) {
      const { forbid, fill, fullIsWhole } = world.harness
      const breakIt = world.require(
        forbid ?? (fullIsWhole === true ? undefined : fill),
        'one stream that stalls for long',
      )
      const [hurt, well] = await begin(world)
      const mend = await breakIt(placeOf(hurt, well))
      const count = crowd / crowdKeys
      const messages = Array.from({ length: crowd }, (_, index) =>
        hurt.message(`k${index % crowdKeys}-`, 1 + Math.floor(index / crowdKeys)),
      )
      await world.publish(messages)
      await world.eventually(async () =>
        assert.ok(((await world.relayState()).parked.retry ?? 0) > 0, 'nothing is parked'),
      )
      await world.publish([well.message('w', 2)])
      await world.eventually(() => assert.deepEqual(well.seenOf('w'), [1, 2]), othersWithinMs)
      await mend()
      for (let key = 0; key < crowdKeys; key++) {
        await world.eventually(() => assert.deepEqual(hurt.seenOf(`k${key}-`), upTo(count)), 60_000)
      }
      await world.drained()
    },
  },
  {
    name: 'what is larger than the server takes is a dead letter that names the setting; its key goes on, and a replay sends it once the setting is raised',
    async run(world) {
      const limit = world.require(world.harness.limit, 'messages larger than the server takes')
      const [hurt] = await begin(world)
      const { tooMany, names, raise } = await limit(hurt.name)
      await world.publish([
        hurt.message('a', 2),
        hurt.message('a', 3, tooMany),
        hurt.message('a', 4),
        hurt.message('b', 1),
      ])
      await world.eventually(() => assert.deepEqual([hurt.seenOf('a'), hurt.seenOf('b')], [[1, 2, 4], [1]]))
      const [letter, ...more] = await world.bus.deadLetters.list()
      assert.deepEqual(
        [letter?.group, letter?.reason, letter?.error.code],
        ['$relay', 'relay', 'ACUSE_MESSAGE_TOO_LARGE'],
      )
      assert.match(letter?.error.message ?? '', names)
      assert.deepEqual(more, [])
      await raise()
      // The server's limit may be known for a moment longer.
      await world.eventually(async () => {
        await world.bus.deadLetters.replay({ group: '$relay', state: 'dead' })
        assert.deepEqual(hurt.seenOf('a'), [1, 2, 4, 3])
      })
      await world.eventually(async () => assert.deepEqual(await world.bus.deadLetters.list({ state: 'dead' }), []))
    },
  },
  {
    name: 'a group that does not consume any more holds nobody up, and finds everything when it is back',
    async run(world) {
      const [first] = await begin(world)
      const second = await world.add(new RelayedStream('second', world.harness.consumer, first))
      await world.publish([first.message('a', 2)])
      await world.eventually(() => assert.deepEqual(second.seenOf('a'), [2]))
      await second.stop()
      await world.publish(upTo(30).map((n) => first.message('a', n + 2)))
      await world.eventually(() => assert.deepEqual(first.seenOf('a'), upTo(32)), othersWithinMs)
      await world.drained()
      await second.start()
      await world.eventually(() => assert.deepEqual(second.seenOf('a'), upTo(32).slice(1)))
    },
  },
]

/** Where the whole server is full, the others wait too: nothing may be lost. */
async function stall(world: RelayWorld, breakIt: Break, whole = false): Promise<void> {
  const [hurt, well] = await begin(world)
  const mend = await breakIt(placeOf(hurt, well))
  await world.publish(
    upTo(40).flatMap((n) => [hurt.message('a', n + 1), hurt.message('b', n), well.message('w', n + 1)]),
  )
  await world.eventually(async () => {
    const { stalled } = await world.relayState()
    const ours = stalled.filter(({ stream }) => stream === hurt.name)
    assert.deepEqual(ours.map(({ key }) => String(key)).toSorted(), ['a', 'b'])
    for (const { error } of ours) {
      assert.equal(error.code, whole ? 'ACUSE_TRANSPORT_UNAVAILABLE' : 'ACUSE_DESTINATION_UNAVAILABLE', error.message)
    }
  })
  if (!whole) {
    await world.eventually(() => assert.deepEqual(well.seenOf('w'), upTo(41)), othersWithinMs)
    const { stalled } = await world.relayState()
    assert.deepEqual([...new Set(stalled.map(({ stream }) => stream))], [hurt.name])
  }
  assert.deepEqual(await world.bus.deadLetters.list(), [])
  await mend()
  await world.eventually(() => {
    assert.deepEqual([hurt.seenOf('a'), hurt.seenOf('b'), well.seenOf('w')], [upTo(41), upTo(40), upTo(41)])
  })
  await world.drained()
}

/** Two streams, each with a message that has gone all the way. */
async function begin(world: RelayWorld): Promise<[hurt: RelayedStream, well: RelayedStream]> {
  const [hurt, well] = await world.begin('hurt', 'well')
  assert.ok(hurt && well)
  await world.publish([hurt.message('a', 1), well.message('w', 1)])
  await world.eventually(() => assert.deepEqual([hurt.seen, well.seen], [['a1'], ['w1']]))
  return [hurt, well]
}

function placeOf(hurt: RelayedStream, well: RelayedStream): Parameters<Break>[0] {
  return {
    stream: hurt.name,
    group: hurt.group,
    spared: [well.name],
    stopGroup: () => hurt.stop(),
    startGroup: () => hurt.start(),
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
