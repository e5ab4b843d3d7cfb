import { experiment, Findings } from './experiment.ts'
import { countFaults, publishItems } from './publish.ts'
import { Kept } from './world.ts'

/** Attempts that the worker's group allows. */
const attempts = 4
/** A harmless message for each that kills, so that innocent ones are in flight at every crash. */
const perKiller = 5

export const crashingHandlers = experiment({
  name: 'I7',
  title:
    'messages whose handler kills its own process are dead-lettered at the maximum of attempts, and the others are applied once',
  small: { killers: 2, leaseMs: 1_000 },
  whole: { killers: 20, leaseMs: 1_000 },
  async run(world, { killers, leaseMs }) {
    const findings = new Findings()
    const count = killers * perKiller
    await publishItems(world, count, 7, (n) => (n % perKiller === 2 ? 'kill' : undefined))
    await world.pool.query('delete from wanted where n % $1 = 2', [perKiller])
    const consumer = new Kept(() => world.start('items', { ROLE: 'consumer', LEASE_MS: String(leaseMs) }))
    await world.until('select count(*) from acuse.dead_letter', killers, killers * 60_000)
    await world.until('select count(distinct n) from effects', count - killers)
    await consumer.stop()
    const dead = await world.number(
      "select count(*) from acuse.dead_letter where reason = 'crashed' and attempts = $1",
      [attempts],
    )
    const { lost, doubled } = await countFaults(world)
    findings.equal('dead-lettered at the maximum', dead, killers)
    findings.equal('dead letters', await world.number('select count(*) from acuse.dead_letter'), killers)
    findings.equal('parked at the end', await world.number('select count(*) from acuse.parked'), 0)
    findings.equal('lost', lost, 0)
    findings.equal('doubled', doubled, 0)
    // The end before a message is first suspected is not counted against it; several may be in flight at that one.
    const most = killers * (attempts + 1)
    findings.expect(consumer.ends <= most, `the process ended ${consumer.ends} times, more than ${most}`)
    return { broken: findings.broken, figures: { killers, dead, lost, doubled, processEnds: consumer.ends } }
  },
})
