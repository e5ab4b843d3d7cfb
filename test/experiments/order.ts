import { setTimeout as pause } from 'node:timers/promises'
import { experiment, Findings } from './experiment.ts'
import { countFaults, countInversions, publishItems } from './publish.ts'

const processes = 3
const applied = 'select count(distinct n) from effects'

export const order = experiment({
  name: 'I4',
  title: 'each key is applied in order while a tenth of its messages fail twice and processes come and go',
  small: { keys: 10, perKey: 30, rebalances: 4, stumblePercent: 10 },
  whole: { keys: 50, perKey: 400, rebalances: 60, stumblePercent: 10 },
  async run(world, { keys, perKey, rebalances, stumblePercent }) {
    const findings = new Findings()
    const messages = keys * perKey
    // A message more to the right in each round of the keys, so that each key has its share.
    const stumbles = (n: number): boolean => ((n + Math.floor(n / keys)) * 7) % 100 < stumblePercent
    await publishItems(world, messages, keys, (n) => (stumbles(n) ? 'stumble' : undefined))
    const start = (): ReturnType<typeof world.start> =>
      world.start('items', { ROLE: 'consumer', LEASE_MS: '1000', HANDLER_MS: '2' })
    const running = Array.from({ length: processes }, start)
    let [rebalanced, killed] = [0, 0]
    for (; rebalanced < rebalances && (await world.number(applied)) < messages; rebalanced++) {
      const at = rebalanced % processes
      const leaving = running[at]
      if (leaving === undefined) break
      await leaving.ready
      await pause(Math.random() * 300)
      // Every third goes without a word, and its partitions are free when its lease has run out.
      const kills = rebalanced % 3 === 2
      leaving.process.kill(kills ? 'SIGKILL' : 'SIGTERM')
      if (kills) killed++
      const { code } = await leaving.ended
      findings.expect(kills || code === 0, `a process ended with ${code}: ${leaving.errors()}`)
      running[at] = start()
      if (rebalanced % 10 === 9) world.say(`${await world.number(applied)} of ${messages} applied`)
    }
    await world.until(applied, messages, 600_000)
    await Promise.all(running.map(({ ready }) => ready))
    for (const { process } of running) process.kill('SIGTERM')
    await Promise.all(running.map(({ ended }) => ended))
    const inversions = await countInversions(world)
    const { lost, doubled } = await countFaults(world)
    findings.equal('inversions', inversions, 0)
    findings.equal('lost', lost, 0)
    findings.equal('doubled', doubled, 0)
    findings.equal('dead letters', await world.number('select count(*) from acuse.dead_letter'), 0)
    return { broken: findings.broken, figures: { messages, keys, rebalanced, killed, inversions, lost, doubled } }
  },
})
