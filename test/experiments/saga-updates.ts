import { experiment, Findings } from './experiment.ts'
import { Counted } from './messages.ts'
import { type Outgoing, withPublisher } from './publish.ts'
import { Kept } from './world.ts'

export const sumsTable = 'create table sums(id text not null, tenant text, total int not null, owners text[] not null)'

export const sagaUpdates = experiment({
  name: 'I13',
  title: 'no update of a saga is lost while its events meet in two processes',
  small: { sagas: 10, events: 20 },
  whole: { sagas: 500, events: 20 },
  async run(world, { sagas, events }) {
    const findings = new Findings()
    await world.pool.query(sumsTable)
    await withPublisher(world, async (publish) => {
      for (let one = 0; one < sagas; one++) {
        const id = `saga-${one}`
        const all = Array.from({ length: events }, (_, n): Outgoing => ({
          message: Counted({ id, amount: n + 1, of: events, owner: 'one' }),
        }))
        await publish(all)
      }
    })
    const began = performance.now()
    const workers = [0, 1].map(() => new Kept(() => world.start('experiments', { ROLE: 'sums' })))
    await world.until(settledSagas, sagas, 600_000)
    const seconds = (performance.now() - began) / 1_000
    await Promise.all(workers.map((worker) => worker.stop()))
    const exact = await world.number('select count(*) from sums where total = $1', [(events * (events + 1)) / 2])
    const versions = await world.number('select sum(version) from acuse.saga')
    const dead = await world.number('select count(*) from acuse.dead_letter')
    findings.equal('sums that are exact', exact, sagas)
    findings.equal('sums', await world.number('select count(*) from sums'), sagas)
    findings.equal('versions', versions, sagas * events)
    findings.equal('dead letters', dead, 0)
    return {
      broken: findings.broken,
      figures: { sagas, events: sagas * events, exact, dead, eventsPerS: Math.round((sagas * events) / seconds) },
    }
  },
})

/** Sums that are there, and dead letters, whose sagas will never have theirs. */
const settledSagas = 'select (select count(*) from sums) + (select count(*) from acuse.dead_letter)'
