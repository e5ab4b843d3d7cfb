import { setTimeout as pause } from 'node:timers/promises'
import { experiment, Findings } from './experiment.ts'
import { countFaults, countInversions, publishItems } from './publish.ts'

const perRound = 300
const applied = 'select count(distinct n) from effects'

export const staleOwner = experiment({
  name: 'I14',
  title: 'an owner that stood still beyond its lease writes nothing that counts, and its keys stay in order',
  small: { rounds: 1, leaseMs: 500, beyondMs: 1_000 },
  whole: { rounds: 20, leaseMs: 2_000, beyondMs: 5_000 },
  async run(world, { rounds, leaseMs, beyondMs }) {
    const findings = new Findings()
    const env = { ROLE: 'consumer', LEASE_MS: String(leaseMs), HANDLER_MS: '3' }
    const workers = [world.start('items', env), world.start('items', env)]
    await Promise.all(workers.map(({ ready }) => ready))
    let takenOver = 0
    for (let round = 0; round < rounds; round++) {
      const before = await world.number('select coalesce(sum(epoch), 0) from acuse.cursor')
      await publishItems(world, perRound, 20, () => undefined, round * perRound)
      await world.until(applied, round * perRound + perRound / 10)
      const standing = workers[round % workers.length]?.process
      standing?.kill('SIGSTOP')
      await pause(leaseMs + beyondMs)
      takenOver += (await world.number('select coalesce(sum(epoch), 0) from acuse.cursor')) - before
      standing?.kill('SIGCONT')
      await world.until(applied, (round + 1) * perRound)
      world.say(`${round + 1} of ${rounds} stood still`)
    }
    for (const { process } of workers) process.kill('SIGTERM')
    await Promise.all(workers.map(({ ended }) => ended))
    const inversions = await countInversions(world)
    const { lost, doubled } = await countFaults(world)
    findings.expect(takenOver >= rounds, `only ${takenOver} partitions were taken over in ${rounds} rounds`)
    findings.equal('inversions', inversions, 0)
    findings.equal('doubled', doubled, 0)
    findings.equal('lost', lost, 0)
    return { broken: findings.broken, figures: { rounds, takenOver, inversions, doubled, lost } }
  },
})
