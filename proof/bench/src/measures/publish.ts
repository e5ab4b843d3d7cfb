import type { Contestant } from '../contestants/contestant.ts'
import { alternate, type Bench, type Measure, type Row } from '../measure.ts'
import { figuresOf } from '../rates.ts'
import { ratiosOf } from '../statistics.ts'

const atOnce = 8
const peers = ['pg-boss', 'graphile'] as const

const includesOne =
  'all: fsync, committed one by one for the caller, 8 at a time. Acuse: publishNow with its default CloudEvents envelope and the wake-up of readers; what is published at the same moment may share a transaction. ' +
  'sql: insert into a table with a primary key. pg-boss: send. graphile: addJob.'
const includesBatch =
  'all: fsync, one transaction for 1,000 messages, 2 at a time. Acuse: publish of a list in the caller’s transaction. ' +
  'sql: insert … select unnest. pg-boss: insert. graphile: addJobs.'

/** Publishing, one message or many in a transaction, with and without keys. */
export const publishOne: Measure = { name: 'publish-one', run: (bench) => publish(bench, 1) }
export const publishBatch: Measure = { name: 'publish-batch', run: (bench) => publish(bench, 1_000) }

/** The outbox as it is used most: beside the caller's own rows, which are left out on both sides. */
export const publishInTransaction: Measure = {
  name: 'publish-in-transaction',
  run: async (bench) => {
    const rows: Row[] = []
    for (const keys of [1_000, 0]) {
      const kind = keys === 0 ? 'unkeyed' : 'keyed'
      bench.say(` ${kind}`)
      const sql = await bench.start('sql', `${kind}-sql`)
      const acuse = await bench.start('acuse', `${kind}-acuse`)
      const slice = { ms: bench.sliceMs, atOnce, keys, batch: 1, transaction: 'caller' } as const
      const { rates, costs } = await alternate(bench, {
        sql: () => sql.publish(slice),
        acuse: () => acuse.publish(slice),
      })
      rows.push({
        measure: 'publish-in-transaction',
        what: `publish one message in the caller’s transaction, ${kind}`,
        against: 'begin; insert; commit',
        unit: 'times',
        value: ratiosOf(rates.acuse, rates.sql),
        reach: { atLeast: 0.8 },
        figures: figuresOf(rates),
        costs,
        includes: 'both: fsync, 8 connections, three statements awaited one after the other.',
      })
    }
    return rows
  },
}

async function publish(bench: Bench, batch: number): Promise<Row[]> {
  const rows: Row[] = []
  for (const keys of [1_000, 0]) {
    const kind = keys === 0 ? 'unkeyed' : 'keyed'
    bench.say(` ${kind}`)
    const opened = {
      sql: await bench.start('sql', `${kind}-sql`),
      acuse: await bench.start('acuse', `${kind}-acuse`),
      'pg-boss': await bench.start('pg-boss', `${kind}-pg-boss`),
      graphile: await bench.start('graphile', `${kind}-graphile`),
    }
    const slice = { ms: bench.sliceMs, atOnce: batch === 1 ? atOnce : 2, keys, batch }
    const publishing = (contestant: Contestant) => () => contestant.publish(slice)
    const { rates, costs } = await alternate(bench, {
      sql: publishing(opened.sql),
      acuse: publishing(opened.acuse),
      'pg-boss': publishing(opened['pg-boss']),
      graphile: publishing(opened.graphile),
    })
    for (const contestant of Object.values(opened)) await contestant.close()
    const figures = figuresOf(rates)
    const common = {
      costs,
      measure: batch === 1 ? 'publish-one' : 'publish-batch',
      what: batch === 1 ? `publish one message, ${kind}` : `publish 1,000 at once, ${kind}`,
      unit: 'times',
      figures,
      includes: batch === 1 ? includesOne : includesBatch,
    } as const
    rows.push({
      ...common,
      against: batch === 1 ? 'plain insert' : 'insert … select unnest',
      value: ratiosOf(rates.acuse, rates.sql),
      reach: { atLeast: batch === 1 ? 0.8 : 0.5 },
    })
    for (const peer of peers) {
      const value = ratiosOf(rates.acuse, rates[peer])
      rows.push({ ...common, against: peer, value, reach: { atLeast: batch === 1 ? 5 : 3 } })
    }
  }
  return rows
}
