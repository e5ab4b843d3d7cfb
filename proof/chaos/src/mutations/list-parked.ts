import type { Mutation } from './mutation.ts'

const manyFail = { flakyRate: 0.15, keys: 20 } as const

/** Bugs in what waits and what is dead. */
export const parkedMutations: readonly Mutation[] = [
  {
    name: 'bare SKIP LOCKED on keyed messages',
    edits: [
      {
        file: 'postgres/src/store/parked-park.ts',
        find: "'behind', 0, 'infinity' from taken",
        replace: "'behind', 0, clock_timestamp() from taken",
      },
    ],
    workload: manyFail,
    caughtBy: ['inversions'],
  },
  {
    name: 'a parked message lets later ones of its key overtake',
    edits: [
      {
        file: 'core/src/effect.ts',
        find: 'ordered: isOrdered(message, runtime) }))',
        replace: 'ordered: false }))',
      },
    ],
    workload: manyFail,
    caughtBy: ['inversions'],
  },
  {
    name: 'no lease fencing: who was stopped goes on',
    edits: [
      {
        file: 'core/src/effect.ts',
        find: 'if (await store.parked.complete(tx, declaration.name, claim)) return',
        replace: 'await store.parked.complete(tx, declaration.name, claim)\n  if (claim.id !== undefined) return',
      },
      {
        file: 'core/src/claims.ts',
        find: 'lost.abort(leaseLost(claim, declaration.name))',
        replace: 'void leaseLost(claim, declaration.name)',
      },
    ],
    workload: { flakyRate: 0.3, handlerPauseRate: 0.5, handlerPauseMs: 400 },
    settings: { leaseMs: 400 },
    faults: ['stop'],
    victims: ['consumer'],
    haste: 25,
    caughtBy: ['duplicates'],
  },
  {
    name: 'a retry spends no attempt',
    edits: [
      {
        file: 'core/src/failure.ts',
        find: 'const attempts = history.attempts + 1',
        replace: 'const attempts = history.attempts',
      },
    ],
    workload: { poisonRate: 0.02 },
    caughtBy: ['parked', 'lost'],
  },
  {
    name: 'a dead letter without an inbox row',
    isRefused: true,
    edits: [
      {
        file: 'postgres/src/store/dead-letters.ts',
        find: 'insert into ${db.schema}.inbox (grp, id, crc) select grp, id, $9::int from message\n       on conflict do nothing returning id',
        replace: 'select id from message where $9::int is not null',
      },
    ],
    workload: { refusedRate: 0.3 },
    faults: ['kill'],
    victims: ['consumer'],
    haste: 12,
    caughtBy: ['duplicates'],
  },
  {
    name: 'a dead letter is dropped',
    edits: [
      {
        file: 'postgres/src/store/parked-settle.ts',
        find: "letter as (${insertLetter(db.schema, 'gone', { error: '$3', fingerprint: '$4', attempts: '$5', reason: '$6', blocking: '$7' })})",
        replace: 'letter as (select $3::json, $4::text, $5::int, $6::text, $7::boolean)',
      },
    ],
    workload: { poisonRate: 0.02 },
    caughtBy: ['lost'],
  },
  {
    name: 'replay without order',
    edits: [
      {
        file: 'postgres/src/store/letter-replay.ts',
        find: 'when f.place > 1 or exists (',
        replace: 'when false and exists (',
      },
    ],
    workload: { refusedRate: 0.3, keys: 10 },
    caughtBy: ['inversions'],
  },
  {
    name: 'replaying leaves the letter dead',
    edits: [
      {
        file: 'postgres/src/store/parked-settle.ts',
        find: "update ${db.schema}.dead_letter d set state = 'replayed', blocking = false",
        replace: "update ${db.schema}.dead_letter d set state = 'dead', blocking = false",
      },
    ],
    workload: { refusedRate: 0.02 },
    caughtBy: ['duplicates'],
  },
]
