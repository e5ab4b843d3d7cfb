import type { Mutation } from './mutation.ts'

const effect = 'core/src/effect.ts'
const accept = 'const answers = accepted ?? (await store.inbox.accept(tx, group, items))'
const slowHandlers = { handlerPauseRate: 0.2, handlerPauseMs: 400 } as const

/** Bugs in taking messages over. */
export const consumerMutations: readonly Mutation[] = [
  {
    name: 'no inbox',
    edits: [{ file: effect, find: accept, replace: "const answers = items.map((): Verdict => 'new')" }],
    faults: ['kill'],
    victims: ['consumer', 'relay'],
    caughtBy: ['duplicates'],
  },
  {
    name: 'the inbox commits before the handler runs',
    edits: [
      {
        file: effect,
        find: accept,
        replace: 'const answers = await store.transaction((own) => store.inbox.accept(own, group, items))',
      },
    ],
    faults: ['kill'],
    victims: ['consumer'],
    caughtBy: ['lost'],
  },
  {
    name: 'ack before commit',
    edits: [
      {
        file: 'core/src/consumer.ts',
        find: 'const verdicts = await applyDeliveries(',
        replace: 'for (const work of part) this.#ack(work)\n        const verdicts = await applyDeliveries(',
      },
    ],
    workload: slowHandlers,
    faults: ['kill'],
    victims: ['consumer'],
    caughtBy: ['lost'],
  },
  {
    name: 'a handler that failed counts as done',
    edits: [
      {
        file: 'core/src/consumer.ts',
        find: 'await recordDelivery(work.delivery.message, error, undecodable, this.#runtime)',
        replace: 'void undecodable',
      },
    ],
    caughtBy: ['lost'],
  },
  {
    name: 'a saga is saved without looking at its version',
    edits: [
      {
        file: 'postgres/src/store/sagas.ts',
        find: 'where name = $1 and id = $2 and version = $3::int - 1`',
        replace: 'where name = $1 and id = $2`',
      },
    ],
    workload: { flowRate: 0.2 },
    settings: { sharedTransaction: 1 },
    sizes: { sagaWorkers: 2 },
    caughtBy: ['sagas'],
  },
  {
    name: 'timeouts fire early',
    edits: [
      {
        file: 'core/src/saga-handler.ts',
        find: 'set.push({ message, dueInMs: delayMs })',
        replace: 'set.push({ message, dueInMs: delayMs / 2 })',
      },
    ],
    workload: { flowRate: 0.1 },
    caughtBy: ['early'],
  },
  {
    name: 'scheduled messages go at once',
    edits: [
      {
        file: 'postgres/src/store/schedule.ts',
        find: 'due.inMs ?? 0]',
        replace: '0]',
      },
    ],
    workload: { noteRate: 0.2 },
    caughtBy: ['early'],
  },
]
