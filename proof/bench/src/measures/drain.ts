import { alternate, type Measure } from '../measure.ts'
import { backlogOf, drainSlice, figuresOf } from '../rates.ts'
import { ratiosOf } from '../statistics.ts'

const sharing = 100

/** Draining a backlog with a handler that does nothing, each message in an effect transaction of its own. */
export const drain: Measure = {
  name: 'drain',
  run: async (bench) => {
    const sql = await bench.start('sql', 'drain-sql')
    const acuse = await bench.start('acuse', 'drain-acuse')
    const { rates, costs } = await alternate(
      bench,
      {
        sql: () => sql.drain(drainSlice(bench, 1)),
        acuse: () => acuse.drain(drainSlice(bench, 1)),
      },
      async () => {
        await acuse.load({ count: backlogOf(bench), keys: 0 })
      },
    )
    return [
      {
        measure: 'drain',
        what: 'drain 100k, a transaction each',
        against: 'begin; insert; commit',
        unit: 'times',
        value: ratiosOf(rates.acuse, rates.sql),
        reach: { atLeast: 0.8 },
        figures: figuresOf(rates),
        costs,
        includes:
          'both: fsync, 8 connections. Acuse: reading the log, inbox row and effect transaction a message, storing cursors. sql: one row a transaction.',
      },
    ]
  },
}

/** Draining with messages sharing transactions, against what the peers do best. */
export const drainShared: Measure = {
  name: 'drain-shared',
  run: async (bench) => {
    const acuse = await bench.start('acuse', 'shared-acuse')
    const graphile = await bench.start('graphile', 'shared-graphile')
    const boss = await bench.start('pg-boss', 'shared-pg-boss')
    const count = backlogOf(bench)
    const { rates, costs } = await alternate(
      bench,
      {
        acuse: () => acuse.drain(drainSlice(bench, sharing)),
        graphile: () => graphile.drain(drainSlice(bench, sharing)),
        'pg-boss': () => boss.drain(drainSlice(bench, sharing)),
      },
      async () => {
        for (const one of [acuse, graphile, boss]) await one.load({ count, keys: 0 })
      },
    )
    const common = {
      measure: 'drain-shared',
      what: 'drain 100k, transactions shared',
      unit: 'times',
      figures: figuresOf(rates),
      costs,
      includes:
        'all: fsync, 8 connections. Acuse: sharedTransaction 100, an inbox row a message, effects in the same transaction. ' +
        'graphile: localQueue 1,000, completions in batches, 24 at once. pg-boss: fetch 1,000 and complete, 4 at once. The peers’ effects would be transactions of their own.',
    } as const
    return [
      { ...common, against: 'graphile', value: ratiosOf(rates.acuse, rates.graphile), reach: { atLeast: 2 } },
      { ...common, against: 'pg-boss', value: ratiosOf(rates.acuse, rates['pg-boss']), reach: { atLeast: 4 } },
    ]
  },
}
