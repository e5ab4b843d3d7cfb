import { setTimeout as pause } from 'node:timers/promises'
import { experiment, Findings } from './experiment.ts'
import { countFaults } from './publish.ts'
import { Kept } from './world.ts'

/** Numbers that one publishing process may use; it is killed long before it has used them up. */
const perProcess = 100_000
/** A publisher is killed at most this long after its last look, so that it may be in any statement, COMMIT too. */
const longestLookMs = 30

export const rollbacks = experiment({
  name: 'I2',
  title: 'what a transaction has published that rolls back, or whose process is killed in it, is never delivered',
  small: { kills: 3, perLife: 40, rollbackPercent: 30 },
  whole: { kills: 100, perLife: 200, rollbackPercent: 30 },
  async run(world, { kills, perLife, rollbackPercent }) {
    const findings = new Findings()
    const consumer = new Kept(() => world.start('items', { ROLE: 'consumer' }))
    await consumer.worker.ready
    let attempted = 0
    for (let life = 0; life < kills; life++) {
      const first = life * perProcess
      const publisher = world.start('items', {
        ROLE: 'publisher',
        FIRST: String(first),
        COUNT: String(perProcess),
        KEYS: '20',
        ROLLBACK_RATE: String(rollbackPercent / 100),
      })
      await publisher.ready
      await world.until(`select count(*) from wanted where n >= ${first}`, perLife)
      await pause(Math.random() * longestLookMs)
      publisher.process.kill('SIGKILL')
      await publisher.ended
      attempted += (await world.number('select coalesce(max(n), 0) from wanted')) - first + 1
      if (life % 10 === 9) world.say(`${life + 1} of ${kills} publishers killed`)
    }
    const committed = await world.number('select count(*) from wanted')
    await world.until('select count(distinct n) from effects', committed)
    await consumer.stop()
    const unexpected = await world.number(
      'select count(*) from effects e where not exists (select from wanted w where w.n = e.n)',
    )
    const { lost, doubled } = await countFaults(world)
    findings.equal('unexpected', unexpected, 0)
    findings.equal('lost', lost, 0)
    findings.equal('doubled', doubled, 0)
    findings.expect(attempted > committed, 'no transaction was rolled back')
    const rolledBack = attempted - committed
    return { broken: findings.broken, figures: { committed, rolledBack, kills, unexpected, lost, doubled } }
  },
})
