import { experiment, Findings } from './experiment.ts'
import { Charged, Counted, Owned } from './messages.ts'
import { type Outgoing, withPublisher } from './publish.ts'
import { sumsTable } from './saga-updates.ts'
import { Kept } from './world.ts'

const tables = `
  ${sumsTable};
  create table owned(seq bigint generated always as identity, message text not null, tenant text, owner text not null, key text, n int not null);
  create table charges(idempotency_key text primary key, owner text not null, n int not null);
`

const owners = ['acme', 'bolt'] as const
/** Messages of a key. */
const perKey = 10
const eventsPerSaga = 5

export const tenants = experiment({
  name: 'I18',
  title:
    'two tenants with identical ids, keys and sagas see nothing of each other, and one’s failing keys hold up nothing of the other',
  small: { keys: 10 },
  whole: { keys: 500 },
  async run(world, { keys }) {
    const findings = new Findings()
    await world.pool.query(tables)
    await withPublisher(world, async (publish) => {
      for (let key = 0; key < keys; key++) {
        // Twice: what a tenant publishes again under its id is still one message.
        for (const owner of [...owners, ...owners]) await publish(messagesOf(owner, key))
      }
    })
    const workers = [0, 1].map(() => new Kept(() => world.start('experiments', { ROLE: 'tenants' })))
    // The first of each of acme's keys is poison.
    const wanted = { owned: keys * (2 * perKey - 1), charges: 2 * keys * perKey, sums: 2 * keys }
    for (const [table, count] of Object.entries(wanted))
      await world.until(`select count(*) from ${table}`, count, 900_000)
    await world.until('select count(*) from acuse.dead_letter', keys, 900_000)
    await Promise.all(workers.map((worker) => worker.stop()))
    for (const [table, count] of Object.entries(wanted)) {
      findings.equal(`rows of ${table}`, await world.number(`select count(*) from ${table}`), count)
    }
    const crossReads =
      (await world.number('select count(*) from owned where tenant is distinct from owner')) +
      (await world.number('select count(*) from sums where owners <> array[tenant]'))
    const doubled = await world.number('select count(*) - count(distinct (owner, key, n)) from owned')
    const charges = await world.number('select count(distinct (owner, n)) from charges')
    const exact = await world.number('select count(*) from sums where total = $1', [eventsPerSaga])
    const inversions = await world.number(
      `select count(*) from (
         select n, max(n) over (partition by owner, key order by seq rows between unbounded preceding and 1 preceding) as before
         from owned
       ) o where n < before`,
    )
    findings.equal('cross reads', crossReads, 0)
    findings.equal('doubled', doubled, 0)
    findings.equal('inversions', inversions, 0)
    findings.equal('charges', charges, wanted.charges)
    findings.equal('sums that are exact', exact, wanted.sums)
    findings.equal('dead letters', await world.number('select count(*) from acuse.dead_letter'), keys)
    return { broken: findings.broken, figures: { ...wanted, crossReads, doubled, inversions, exact } }
  },
})

/** The same ids, keys and sagas, whoever's they are. */
function messagesOf(owner: (typeof owners)[number], key: number): Outgoing[] {
  const all: Outgoing[] = []
  for (let at = 0; at < perKey; at++) {
    const n = key * perKey + at
    const poison = owner === 'acme' && at === 0
    all.push({ message: Owned({ owner, key: `k${key}`, n, poison }), options: { id: `owned-${n}`, tenant: owner } })
    all.push({ message: Charged({ owner, n }), options: { id: `charge-${n}`, tenant: owner } })
  }
  for (let at = 0; at < eventsPerSaga; at++) {
    all.push({
      message: Counted({ id: `saga-${key}`, amount: 1, of: eventsPerSaga, owner }),
      options: { id: `event-${key}-${at}`, tenant: owner },
    })
  }
  return all
}
