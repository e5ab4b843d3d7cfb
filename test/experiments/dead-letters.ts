import { createBus } from '@acuse/core'
import { pg } from '@acuse/postgres'
import { experiment, Findings } from './experiment.ts'
import { publishItems } from './publish.ts'
import { Kept, type World } from './world.ts'

const settled = 'select (select count(distinct n) from effects) + (select count(*) from acuse.dead_letter)'

export const conservation = experiment({
  name: 'I6',
  title:
    'whatever is killed between the dead letter and its ack: what committed is applied or dead, and a replay applies the rest once',
  small: { messages: 300, poisonPercent: 10, killPercent: 20, keys: 50 },
  whole: { messages: 10_000, poisonPercent: 5, killPercent: 5, keys: 500 },
  async run(world, { messages, poisonPercent, killPercent, keys }) {
    const findings = new Findings()
    const every = Math.round(100 / poisonPercent)
    const poison = (n: number): boolean => n % every === every - 1
    // Every other one asks for its dead letter itself, which is written before the ack of its delivery; the rest spend their attempts.
    await publishItems(world, messages, keys, (n) =>
      poison(n) ? (Math.floor(n / every) % 2 === 0 ? 'refuse' : 'throw') : undefined,
    )
    const poisoned = Array.from({ length: messages }, (_, n) => n).filter(poison).length
    const consumers = [0, 1].map(
      () =>
        new Kept(() =>
          world.start('items', { ROLE: 'consumer', LEASE_MS: '1000', DIE_AFTER_DEATH: String(killPercent / 100) }),
        ),
    )
    await world.until(settled, messages, 900_000)
    await Promise.all(consumers.map((consumer) => consumer.stop()))
    const kills = consumers.reduce((sum, { ends }) => sum + ends, 0)
    const before = await count(world)
    findings.equal('applied and dead', before.applied + before.dead, messages)
    findings.equal('dead', before.dead, poisoned)
    findings.equal('doubled before the replay', before.effects - before.applied, 0)
    world.say(`${before.applied} applied, ${before.dead} dead after ${kills} kills`)

    const healed = [0, 1].map(() => new Kept(() => world.start('items', { ROLE: 'consumer', HEALED: '1' })))
    await Promise.all(healed.map(({ worker }) => worker.ready))
    const replayed = await replayAll(world)
    await world.until('select count(distinct n) from effects', messages, 300_000)
    const again = await replayAll(world)
    await Promise.all(healed.map((consumer) => consumer.stop()))
    const after = await count(world)
    findings.equal('replayed', replayed, poisoned)
    findings.equal('replayed the second time', again, 0)
    findings.equal('applied after the replay', after.applied, messages)
    findings.equal('doubled after the replay', after.effects - after.applied, 0)
    findings.equal('dead after the replay', after.dead, 0)
    findings.equal('parked at the end', await world.number('select count(*) from acuse.parked'), 0)
    return {
      broken: findings.broken,
      figures: {
        committed: messages,
        applied: before.applied,
        dead: before.dead,
        kills,
        replayed,
        appliedAfter: after.applied,
        doubled: after.effects - after.applied,
      },
    }
  },
})

async function count(world: World): Promise<{ applied: number; effects: number; dead: number }> {
  return {
    applied: await world.number('select count(distinct n) from effects'),
    effects: await world.number('select count(*) from effects'),
    dead: await world.number("select count(*) from acuse.dead_letter where state = 'dead'"),
  }
}

async function replayAll(world: World): Promise<number> {
  const bus = createBus({ service: 'operator', store: pg(world.pool) })
  await bus.start()
  try {
    return await bus.deadLetters.replay({ group: 'effects', limit: 1_000_000 })
  } finally {
    await bus.stop()
  }
}
