import { type Bus, createBus, noRetry } from '@acuse/core'
import { pg } from '@acuse/postgres'
import type { PoolClient } from 'pg'
import { Item } from '../processes/item.ts'
import { experiment, Findings } from './experiment.ts'

const dayMs = 86_400_000

export const purge = experiment({
  name: 'I15',
  title:
    'the inbox forgets what is old and settled, never what is dead; a replay beyond what it knows is refused unless forced',
  small: { messages: 60, deadPercent: 20 },
  whole: { messages: 10_000, deadPercent: 5 },
  async run(world, { messages, deadPercent }) {
    const findings = new Findings()
    const dies = (n: number): boolean => (n * deadPercent) % 100 < deadPercent
    const dead = Array.from({ length: messages }, (_, n) => n).filter(dies).length
    let broken = true
    // Its purge runs at its start: what the first bus leaves is old when the second one starts.
    const open = async (inboxRetentionMs: number): Promise<Bus<PoolClient>> => {
      const bus = createBus({ service: 'purge', store: pg(world.pool), inboxRetentionMs })
      bus
        .group({ from: 'earliest', retry: noRetry, whileRetrying: 'continue' })
        .on(Item, async ({ id, data }, { tx }) => {
          if (broken && dies(data.n)) throw new Error('broken')
          await tx.query('insert into effects(message, key, n) values ($1, $2, $3)', [id, data.key, data.n])
        })
      await bus.start()
      return bus
    }
    const first = await open(30 * dayMs)
    await first.transaction(async (_tx, publish) => {
      for (let n = 0; n < messages; n++) publish(Item({ key: `k${n % 50}`, n }))
    })
    await world.until(
      'select (select count(*) from effects) + (select count(*) from acuse.dead_letter)',
      messages,
      600_000,
    )
    await first.stop()
    broken = false
    await world.pool.query("update acuse.inbox set at = at - interval '40 days'")
    const second = await open(30 * dayMs)
    await world.until(`select case when count(*) <= ${dead} then 1 else 0 end from acuse.inbox`, 1)
    const kept = await world.number('select count(*) from acuse.inbox')
    findings.equal('inbox rows kept, those of dead letters', kept, dead)

    // Somebody deletes what the purge never would.
    await world.pool.query('delete from acuse.inbox')
    const all = { group: 'purge', limit: messages }
    const refused = await second.deadLetters.replay(all).then(
      () => 0,
      () => 1,
    )
    const deadAfterRefusal = await world.number("select count(*) from acuse.dead_letter where state = 'dead'")
    findings.equal('replays refused', refused, 1)
    findings.equal('dead after the refusal', deadAfterRefusal, dead)
    const forced = await second.deadLetters.replay(all, { force: true })
    findings.equal('replayed by force', forced, dead)
    await world.until('select count(*) from effects', messages, 300_000)
    await second.stop()
    const doubled = await world.number('select count(*) - count(distinct n) from effects')
    findings.equal('doubled', doubled, 0)
    return { broken: findings.broken, figures: { messages, dead, kept, refused, forced, doubled } }
  },
})
