import type { Mutation } from './mutation.ts'

const relay = 'core/src/relay.ts'
const readQuery = 'postgres/src/log/read-query.ts'

/** Writers that commit out of the order in which they began. */
const lateCommits = { longHoldOneIn: 8, longHoldMs: 700 } as const

/** Bugs on the way from a transaction to a group. */
export const logMutations: readonly Mutation[] = [
  {
    name: 'published outside the transaction',
    edits: [
      {
        file: 'postgres/src/store/create-store.ts',
        find: 'await log.append(runIn(base, tx), messages)',
        replace: 'await log.append((text, values) => db.query(text, values), messages)',
      },
    ],
    caughtBy: ['unexpected'],
  },
  {
    name: 'a cursor that reads id > last',
    edits: [
      {
        file: readQuery,
        find: 'next: endOf(window, old),',
        replace: 'next: { ...endOf(window, old), after: last?.point.after ?? point.after },',
      },
    ],
    workload: lateCommits,
    caughtBy: ['lost'],
  },
  {
    name: 'what was in flight at the last read is not looked at again',
    edits: [
      {
        file: 'postgres/migrations/0001-log.sql',
        find: 'and l.xid = any (c.done)',
        replace: 'and false',
      },
    ],
    workload: lateCommits,
    caughtBy: ['lost'],
  },
  {
    name: 'the log is emptied although a group has not read it',
    edits: [
      {
        file: 'postgres/src/log/retention.ts',
        find: 'if (holding.length > 0) return holding',
        replace: '',
      },
      {
        file: 'postgres/src/log/retention.ts',
        find: 'if (stillHolding.length > 0) return stillHolding',
        replace: '',
      },
    ],
    settings: { retentionMs: 200, rotateAfterMs: 100 },
    faults: ['kill', 'stop'],
    victims: ['relay', 'consumer'],
    caughtBy: ['lost'],
  },
  {
    name: 'marked sent before the broker confirmed',
    edits: [
      {
        file: relay,
        find: 'const results = await transport.publish(',
        // A broker that takes its time: on loopback a publish is over before the mark is stored.
        replace:
          'for (const { delivery } of batch) delivery.ack()\n' +
          '      await new Promise((done) => void clock.after(250, () => done(undefined)))\n' +
          '      const results = await transport.publish(',
      },
    ],
    sizes: { relays: 1 },
    faults: ['kill'],
    victims: ['relay'],
    haste: 3,
    caughtBy: ['lost'],
  },
  {
    name: 'a publish whose answer was lost counts as confirmed',
    edits: [
      {
        file: 'postgres/src/log/publisher.ts',
        find: "const failure = failed(asUnavailable('publishing to the log', error))",
        replace: 'const failure = delivered',
      },
    ],
    workload: { ratePerSecond: 200 },
    sizes: { relays: 1 },
    faults: ['net-reset', 'net-delay'],
    victims: ['relay'],
    haste: 25,
    caughtBy: ['lost', 'inversions'],
  },
  {
    name: 'the relay goes on with a key after a failed publish',
    edits: [
      {
        file: relay,
        find: 'stalled.set(lineOf(message), error)',
        replace: 'item.done = true\n      this.#unconfirmed--\n      item.delivery.release()',
      },
    ],
    workload: { keys: 6, ratePerSecond: 250 },
    sizes: { relays: 1 },
    faults: ['net-reset', 'net-delay'],
    victims: ['relay'],
    haste: 25,
    caughtBy: ['inversions', 'lost'],
  },
]
