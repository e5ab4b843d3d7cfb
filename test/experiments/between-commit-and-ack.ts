import { setTimeout as pause } from 'node:timers/promises'
import { experiment, Findings } from './experiment.ts'
import { countFaults, countInversions, publishItems } from './publish.ts'
import { Kept } from './world.ts'

const consumers = 2
const inHand = 400
const lookEveryMs = 50
const unapplied = 'select (select count(*) from wanted) - (select count(distinct n) from effects)'
/** After the effect has committed, and before the transport or the parked row has heard of it. */
const points = ['consumer.afterCommit', 'consumer.beforeAck'] as const

export const betweenCommitAndAck = experiment({
  name: 'I3',
  title: 'a process killed after it has committed an effect and before its ack leaves the effect there once',
  small: { kills: 6, leaseMs: 500 },
  whole: { kills: 500, leaseMs: 500 },
  async run(world, { kills, leaseMs }) {
    const findings = new Findings()
    let started = 0
    const start = (): ReturnType<typeof world.start> => {
      const nth = started++
      const point = points[nth % points.length] ?? points[0]
      // The last ones live, and finish what is left.
      const crash = nth < kills ? { CRASH_AT: `${point}:${1 + (nth % 7)}` } : {}
      return world.start('items', { ROLE: 'consumer', LEASE_MS: String(leaseMs), ...crash })
    }
    await publishItems(world, inHand, 20)
    let published = inHand
    const kept = Array.from({ length: consumers }, () => new Kept(start))
    const ends = (): number => kept.reduce((sum, one) => sum + one.ends, 0)
    for (let told = 0; ends() < kills; await pause(lookEveryMs)) {
      if ((await world.number(unapplied)) < inHand / 2) {
        await publishItems(world, inHand, 20, () => undefined, published)
        published += inHand
      }
      if (ends() >= told + 50) world.say(`${(told = ends())} of ${kills} killed`)
    }
    await world.until('select count(distinct n) from effects', published, 300_000)
    await Promise.all(kept.map((one) => one.stop()))
    const inversions = await countInversions(world)
    const { lost, doubled } = await countFaults(world)
    findings.equal('doubled', doubled, 0)
    findings.equal('lost', lost, 0)
    findings.equal('inversions', inversions, 0)
    return { broken: findings.broken, figures: { committed: published, kills: ends(), doubled, lost, inversions } }
  },
})
