import { runAudit } from '../../src/audit/audit.ts'
import type { Audited } from '../../src/audit/audit.ts'
import { SUBSCRIPTIONS } from '../../src/audit/subscriptions.ts'
import { AUDIT_TABLES } from '../../src/audit/tables.ts'
import type { Database } from '../../src/database/database.ts'
import { temporaryDatabase } from './temporary-database.ts'

/** The audit's tables with a run in which all went well, and a way to spoil it. */
export interface GoodRun {
  database: Database
  /** Runs statements on the audit's tables. */
  spoil: (statements: string) => Promise<void>
  audit: () => Promise<Audited>
}

/** Four orders: two completed (one of them a gift that costs nothing), one refunded after its customer cancelled, one out of stock. */
const ORDERS = `
  insert into placed values ('o-1', '1001', 1500, true, null), ('o-2', '1002', 0, true, null),
    ('o-3', '1003', 700, true, null), ('o-4', '1004', 9900, true, null), ('o-5', '1005', 100, false, 'out_of_stock');
  insert into placed_line values ('o-1', 1, 'MUG', 2), ('o-1', 2, 'JUG', 1), ('o-1', 3, 'MUG', 1), ('o-2', 1, 'SPOON', 1),
    ('o-3', 1, 'MUG', 1), ('o-4', 1, 'JUG', 9), ('o-5', 1, 'JUG', 1);
  insert into ordered values ('o-1', 'completed', null, 1500), ('o-2', 'completed', null, 0),
    ('o-3', 'cancelled', 'customer', 700), ('o-4', 'cancelled', 'out_of_stock', 9900);
  insert into charge values ('ch_1', 'charge-o-1', 'o-1', 1500), ('ch_3', 'charge-o-3', 'o-3', 700);
  insert into refund values ('re_3', 'refund-o-3', 'ch_3', 'o-3', 700);
  insert into booked values ('o-1', 1500, 0), ('o-3', 700, 700);
  insert into seeded values ('MUG', 10), ('JUG', 2), ('SPOON', 5);
  insert into stock values ('MUG', 10, 7, 0, 3), ('JUG', 2, 1, 0, 1), ('SPOON', 5, 4, 0, 1);
`

const MESSAGES: readonly (readonly [id: string, service: string, stream: string, type: string, key: string])[] = [
  ['m-1', 'orders', 'orders', 'order.created', 'o-1'],
  ['m-2', 'inventory', 'inventory', 'inventory.reserved', 'o-1'],
  ['m-3', 'orders', 'orders', 'order.payment_requested', 'o-1'],
  ['m-4', 'orders', 'orders', 'order.created', 'o-3'],
  ['m-5', 'payments', 'payments', 'payment.processed', 'o-1'],
  ['m-6', 'orders', 'orders', 'order.confirmed', 'o-1'],
  ['m-7', 'inventory', 'inventory', 'inventory.confirmed', 'o-1'],
  ['m-8', 'orders', 'orders', 'order.completed', 'o-1'],
  ['m-9', 'orders', 'orders', 'order.cancelled', 'o-3'],
  ['m-10', 'inventory', 'inventory', 'inventory.stock_depleted', 'JUG'],
]

/** A database in which the audit finds nothing wrong. */
export async function goodRun(): Promise<GoodRun> {
  const database = await temporaryDatabase()
  await database.query(AUDIT_TABLES)
  await database.query(ORDERS)
  const rows = MESSAGES.map(([id, service, stream, type, key], index) => ({
    id,
    service,
    stream,
    type,
    key,
    pos: index + 1,
  }))
  await database.query(`insert into subscription select * from json_populate_recordset(null::subscription, $1)`, [
    JSON.stringify(SUBSCRIPTIONS.flatMap(({ grp, service, types }) => types.map((type) => ({ grp, service, type })))),
  ])
  await database.query(`insert into committed select * from json_populate_recordset(null::committed, $1)`, [
    JSON.stringify(rows.map((row) => ({ ...row, at: `2026-03-02T10:00:00.0${10 + row.pos}Z`, relayed: true }))),
  ])
  // Each group's effects come 5 ms after the commit, in the order of the commits.
  await database.query(`
    insert into applied (service, seq, grp, message_id, type, stream, key, applied_at)
    select s.service, row_number() over (partition by s.service order by c.pos), s.grp, c.id, c.type, c.stream, c.key,
      c.at + interval '5 milliseconds'
    from committed c join subscription s on s.type = c.type;
    -- A saga's timeout is applied without ever having been published.
    insert into applied values ('orders', 1000, 'saga.checkout', 't-1', 'acuse.saga.timeout', 'acuse.sagas', 'checkout/o-3', now());
    -- A relay that was killed before it stored how far it is will send once more: what was applied was sent all the same.
    update committed set relayed = false where id = 'm-1'`)
  return {
    database,
    spoil: async (statements) => {
      await database.query(statements)
    },
    audit: () => runAudit(database),
  }
}
