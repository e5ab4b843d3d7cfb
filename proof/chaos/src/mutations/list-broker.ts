import type { Mutation } from './mutation.ts'

/** Bugs that show only where a broker stands between the services. */
export const brokerMutations: readonly Mutation[] = [
  {
    name: 'no publisher confirms',
    transport: 'rabbitmq',
    edits: [
      {
        file: 'rabbitmq/src/confirmed-channel.ts',
        find: 'this.#pending.set(message.id, pending)',
        replace:
          "this.#pending.set(message.id, pending)\n      setImmediate(() => pending.settle({ state: 'delivered' }))",
      },
    ],
    // Enough, and often enough, that something is on its way when it happens.
    workload: { ratePerSecond: 800 },
    faults: ['broker-kill'],
    haste: 12,
    // A node takes its time to come back, and nothing moves meanwhile.
    stalledMs: 30_000,
    caughtBy: ['lost'],
  },
  {
    name: 'acked to the broker when it was handed over',
    transport: 'rabbitmq',
    edits: [
      {
        file: 'core/src/intake.ts',
        find: 'batch.push(this.#deliveryOf(entry))',
        replace: 'batch.push(this.#deliveryOf(entry))\n      entry.received.ack()',
      },
      {
        file: 'core/src/intake.ts',
        find: '        received.ack()\n',
        replace: '',
      },
    ],
    workload: { handlerPauseRate: 0.2, handlerPauseMs: 400 },
    faults: ['kill'],
    victims: ['consumer'],
    caughtBy: ['lost'],
  },
  {
    name: 'what a draining process has never begun is acked',
    transport: 'rabbitmq',
    edits: [
      {
        file: 'rabbitmq/src/queue-reader.ts',
        find: 'const unbegun = countsOf(intake.unbegun(queue.name))',
        replace: `const held = intake.unbegun(queue.name)
    for (const one of held) one.ack()
    const unbegun = countsOf(held)`,
      },
    ],
    workload: { handlerPauseRate: 0.3, handlerPauseMs: 400 },
    faults: ['term'],
    victims: ['consumer'],
    caughtBy: ['lost'],
  },
  {
    name: 'what is for a group whose queue is not bound is confirmed',
    transport: 'rabbitmq',
    edits: [
      {
        file: 'rabbitmq/src/topology.ts',
        find: "'headers', {\n    durable: true,\n    alternateExchange: tripwire,\n  })",
        replace: "'headers', { durable: true })",
      },
    ],
    faults: ['queue-unbound'],
    haste: 10,
    caughtBy: ['lost'],
  },
]
