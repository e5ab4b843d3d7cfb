import { setTimeout as pause } from 'node:timers/promises'
import { experiment, Findings, quantile } from './experiment.ts'
import { Begun } from './messages.ts'
import { withPublisher } from './publish.ts'
import { Kept } from './world.ts'

// What is due when is noted by the database itself, in the transaction that parks the timeout.
const notes = `
  create table due(message text not null, at timestamptz not null);
  create table fired(message text not null, at timestamptz not null);
  create function note_due() returns trigger language plpgsql as $$
  begin
    insert into due(message, at) values (new.id, new.due_at);
    return null;
  end $$;
  create trigger note_due after insert on acuse.parked for each row when (new.reason = 'timeout')
    execute function note_due();
`

export const sagaTimeouts = experiment({
  name: 'I12',
  title:
    'timeouts of sagas fire once in effect and never early by the clock of the database, while the processes that fire them are killed',
  small: { timeouts: 60, waitMs: 1_500, lifeMs: 1_500 },
  whole: { timeouts: 1_000, waitMs: 5_000, lifeMs: 3_000 },
  async run(world, { timeouts, waitMs, lifeMs }) {
    const findings = new Findings()
    await withPublisher(world, async (publish) => {
      await world.pool.query(notes)
      const all = Array.from({ length: timeouts }, (_, n) => ({ message: Begun({ id: `saga-${n}`, waitMs }) }))
      for (let first = 0; first < timeouts; first += 100) await publish(all.slice(first, first + 100))
    })
    const workers = [0, 1].map(() => new Kept(() => world.start('experiments', { ROLE: 'timeouts', LEASE_MS: '1000' })))
    await world.until('select count(*) from due', 1)
    const stop = new AbortController()
    const killing = workers.map((worker) => killAgainAndAgain(worker, lifeMs, stop.signal))
    await world.until('select count(distinct message) from fired', timeouts, 120_000 + timeouts * 200)
    stop.abort()
    await Promise.all(killing)
    await Promise.all(workers.map((worker) => worker.stop()))
    const kills = workers.reduce((sum, { ends }) => sum + ends, 0)
    const { rows } = await world.pool.query<{ late_ms: number }>(
      'select extract(epoch from f.at - d.at)::float8 * 1000 as late_ms from fired f join due d on d.message = f.message',
    )
    const lateMs = rows.map(({ late_ms }) => late_ms)
    const fired = await world.number('select count(distinct message) from fired')
    const twice = (await world.number('select count(*) from fired')) - fired
    const early = lateMs.filter((ms) => ms < 0).length
    const completed = await world.number(
      "select count(*) from acuse.saga where completed and (state ->> 'fired')::int = 1",
    )
    findings.equal('set', await world.number('select count(*) from due'), timeouts)
    findings.equal('fired', fired, timeouts)
    findings.equal('fired twice', twice, 0)
    findings.equal('fired early', early, 0)
    findings.equal('sagas completed once', completed, timeouts)
    findings.equal('dead letters', await world.number('select count(*) from acuse.dead_letter'), 0)
    return {
      broken: findings.broken,
      figures: {
        timeouts,
        fired,
        twice,
        early,
        kills,
        earliestMs: Math.round(Math.min(...lateMs)),
        lateP50Ms: Math.round(quantile(lateMs, 0.5)),
        latestMs: Math.round(Math.max(...lateMs)),
      },
    }
  },
})

/** Each time it has lived for about `lifeMs`. */
async function killAgainAndAgain(kept: Kept, lifeMs: number, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const { worker } = kept
    await worker.ready.catch(() => undefined)
    await pause(lifeMs * (0.5 + Math.random()), undefined, { signal: stop }).catch(() => undefined)
    if (stop.aborted) return
    worker.process.kill('SIGKILL')
    await worker.ended
  }
}
