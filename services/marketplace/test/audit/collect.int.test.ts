import { appliedTable, OrderCompleted, OrderConfirmed, recordApplied } from '@acuse-services/contracts'
import { createBus, noRetry } from '@acuse/core'
import { migrate, pg, postgres } from '@acuse/postgres'
import { eventually } from '@acuse/testing'
import { Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'

import { runAudit } from '../../src/audit/audit.ts'
import { collect } from '../../src/audit/collect.ts'
import { describeDeadLetters } from '../../src/audit/dead-letters.ts'
import { AUDIT_TABLES } from '../../src/audit/tables.ts'
import type { RunDatabases } from '../../src/database/run-databases.ts'
import { readUnsettled } from '../../src/watch/unsettled.ts'
import { temporaryDatabase } from './temporary-database.ts'

/** The services' own tables, as far as the audit reads them. */
const TABLES = {
  orders: 'create table orders (order_id text, state text, reason text, amount_cents bigint)',
  inventory: 'create table stock (sku text, initial bigint, available bigint, reserved bigint, sold bigint)',
  payments: 'create table payments (order_id text, charged_cents bigint, refunded_cents bigint)',
} as const

const emptyLedger = {
  charges: [],
  refunds: [],
  totals: { charges: 0, chargedCents: 0, refunds: 0, refundedCents: 0, refusals: 0, cancellations: 0 },
  doubleCharges: [],
}

async function migratedDatabases(): Promise<RunDatabases> {
  const [orders, inventory, payments, audit] = await Promise.all([
    temporaryDatabase(),
    temporaryDatabase(),
    temporaryDatabase(),
    temporaryDatabase(),
  ])
  const databases = { orders, inventory, payments, audit }
  for (const service of ['orders', 'inventory', 'payments'] as const) {
    await migrate(databases[service].url)
    await databases[service].query(`${TABLES[service]}; ${appliedTable}`)
  }
  await audit.query(AUDIT_TABLES)
  return databases
}

test('what a bus has done is brought in from the databases of services, and what it has not is seen', async () => {
  const databases = await migratedDatabases()
  const between = await temporaryDatabase()
  const pool = new Pool({ connectionString: databases.orders.url, max: 6 })
  pool.on('error', () => undefined)
  const bus = createBus({
    service: 'orders',
    store: pg(pool),
    transport: postgres({ connection: between.url }),
  })
  onTestFinished(async () => {
    await bus.stop()
    await pool.end()
  })
  bus
    .group({ from: 'earliest', concurrency: 2, retry: noRetry, inTransaction: recordApplied })
    .on(OrderCompleted, () => undefined)
    .on(OrderConfirmed, () => {
      throw new Error('no such order')
    })
  await bus.start()
  await databases.orders.query(`insert into orders values ('o-1', 'completed', null, 0)`)
  await bus.publishNow(OrderConfirmed({ orderId: 'o-1' }))
  await bus.publishNow(OrderCompleted({ orderId: 'o-1' }))

  await eventually(async () => {
    const [row] = await between.query<{ count: number }>('select count(*)::int as count from acuse.log')
    expect(row?.count).toBe(2)
  })
  // Inventory, which is to apply the confirmation too, does not run.
  await eventually(async () =>
    expect(await readUnsettled(databases)).toEqual(['1 message not yet applied by inventory']),
  )
  await databases.orders.query(`insert into orders values ('o-2', 'paying', null, 0)`)
  expect(await readUnsettled(databases)).toEqual(['1 order without a final state'])
  await databases.orders.query(`delete from orders where order_id = 'o-2'`)

  await databases.audit.query(`insert into placed values ('o-1', '1001', 0, true, null)`)
  await collect(databases, emptyLedger)
  // A second look replaces the first.
  await collect(databases, emptyLedger)
  const audited = await runAudit(databases.audit)
  expect(audited).toMatchObject({
    messages: { published: 2, applied: 1 },
    deadLetters: 1,
    correctness: { lost: 1, duplicated: 0, outOfOrder: 0 },
    orders: { total: 1, confirmed: 1, open: 0 },
    latencyMs: { count: 1 },
  })
  expect(audited.latencyMs.max).toBeGreaterThan(0)
  expect(audited.problems).toEqual([
    expect.stringMatching(/^message order\.confirmed \S+ of o-1 was lost: group inventory never applied it$/),
  ])
  expect(await describeDeadLetters(databases.audit)).toEqual([
    expect.stringMatching(/^dead letter: message order\.confirmed \S+ in group orders: no such order$/),
  ])
})

test('what is committed and not yet relayed is seen, and neither lost by a group nor applied', async () => {
  const databases = await migratedDatabases()
  const pool = new Pool({ connectionString: databases.orders.url, max: 4 })
  pool.on('error', () => undefined)
  // Nobody listens there.
  const transport = postgres({ connection: 'postgres://nobody@127.0.0.1:1/none' })
  const bus = createBus({ service: 'orders', store: pg(pool), transport })
  onTestFinished(async () => {
    await bus.stop()
    await pool.end()
  })
  await bus.start()
  await bus.publishNow(OrderConfirmed({ orderId: 'o-1' }))
  expect((await readUnsettled(databases))[0]).toBe('1 message not yet relayed')
  await collect(databases, emptyLedger)
  const { correctness, problems } = await runAudit(databases.audit)
  expect(correctness).toEqual({ lost: 1, duplicated: 0, outOfOrder: 0 })
  expect(problems).toEqual([
    expect.stringMatching(/^message order\.confirmed \S+ of o-1 was committed by orders and never sent by its relay$/),
  ])
})
