import { expect, test } from 'vitest'

import { goodRun } from './good-run.ts'

test('a run in which all went well gives no problems, and its numbers', async () => {
  const { audit } = await goodRun()
  expect(await audit()).toEqual({
    orders: {
      total: 5,
      confirmed: 2,
      outOfStock: 1,
      paymentRefused: 0,
      paymentTimedOut: 0,
      cancelled: 1,
      expired: 0,
      rejectedBeforeOrder: 1,
      open: 0,
    },
    messages: { published: 10, applied: 18 },
    deadLetters: 0,
    latencyMs: { p50: 5, p95: 5, p99: 5, max: 5, count: 17 },
    correctness: { lost: 0, duplicated: 0, outOfOrder: 0 },
    money: { chargedCents: 2_200, refundedCents: 700, confirmedCents: 1_500, doubleCharges: 0, balanced: true },
    stock: { initial: 17, reserved: 0, sold: 5, available: 12, balanced: true },
    problems: [],
  })
})

/** What is planted, what the audit must say of it, and what it must count. */
interface Planted {
  what: string
  spoil: string
  says: string[]
  counts?: object
}

const planted: Planted[] = [
  {
    what: 'a message that a group never applied',
    spoil: `delete from applied where grp = 'inventory' and message_id = 'm-6'`,
    says: ['message order.confirmed m-6 of o-1 was lost: group inventory never applied it'],
    counts: { correctness: { lost: 1, duplicated: 0, outOfOrder: 0 } },
  },
  {
    what: 'a message that no relay has sent',
    spoil: `update committed set relayed = false where id = 'm-8'; delete from applied where message_id = 'm-8'`,
    says: ['message order.completed m-8 of o-1 was committed by orders and never sent by its relay'],
    counts: { correctness: { lost: 1, duplicated: 0, outOfOrder: 0 } },
  },
  {
    what: 'an effect that happened twice',
    spoil: `insert into applied select service, 2000, grp, message_id, type, stream, key, now() from applied
     where grp = 'payments' and message_id = 'm-3'`,
    says: ['message order.payment_requested m-3 of o-1 was doubled: group payments applied it 2 times'],
    counts: { correctness: { lost: 0, duplicated: 1, outOfOrder: 0 } },
  },
  {
    what: 'two messages of a key applied the wrong way round',
    spoil: `update applied set seq = case message_id when 'm-1' then 6 else 1 end
     where grp = 'inventory' and message_id in ('m-1', 'm-6')`,
    says: [
      'message order.created m-1 of o-1 was applied out of order: group inventory had applied a later message of its key already (order.confirmed was the one before it)',
    ],
    counts: { correctness: { lost: 0, duplicated: 0, outOfOrder: 1 } },
  },
  {
    what: 'a message that one of its groups never applied and that no relay remembers',
    spoil: `update committed set relayed = false where id = 'm-6';
     delete from applied where grp = 'inventory' and message_id = 'm-6'`,
    says: ['message order.confirmed m-6 of o-1 was lost: group inventory never applied it'],
    counts: { correctness: { lost: 1, duplicated: 0, outOfOrder: 0 } },
  },
  {
    what: 'an effect of a transaction that was rolled back',
    spoil: `insert into applied values ('orders', 3000, 'saga.checkout', 'm-60', 'inventory.confirmed', 'inventory', 'o-3', now())`,
    says: ['group saga.checkout applied message inventory.confirmed m-60 of o-3, which no service committed'],
  },
  {
    what: 'a group that applies what it should not',
    spoil: `insert into applied values ('payments', 3000, 'payments', 'm-8', 'order.completed', 'orders', 'o-1', now())`,
    says: ['group payments applied message order.completed m-8 of o-1, which is not one of its types'],
  },
  {
    what: 'a message that still waits',
    spoil: `insert into parked values ('payments', 'payments', 'm-9', 'order.cancelled', 'retry')`,
    says: ['message order.cancelled m-9 still waits in group payments (retry)'],
  },
  {
    what: 'an accepted order that is gone',
    spoil: `insert into placed values ('o-9', '1009', 100, true, null)`,
    says: ['order o-9 (invoice 1009) was accepted, and Orders does not have it'],
  },
  {
    what: 'an order that nobody was told of',
    spoil: `insert into ordered values ('o-5', 'cancelled', 'customer', 100)`,
    says: ['order o-5 (cancelled) is in Orders although nobody was told that it was accepted'],
  },
  {
    what: 'an order without an end',
    spoil: `update ordered set state = 'paying', reason = null where order_id = 'o-4'`,
    says: ['order o-4 is still paying'],
    counts: { orders: { open: 1, outOfStock: 0 } },
  },
  {
    what: 'an order cancelled for no known reason',
    spoil: `update ordered set reason = 'mood' where order_id = 'o-4'`,
    says: ['order o-4 was cancelled for "mood"'],
  },
  {
    what: 'an order with another total',
    spoil: `update ordered set total_cents = 1501 where order_id = 'o-1'`,
    says: ['order o-1 costs 1501 cents in Orders, and 1500 where it was placed'],
  },
  {
    what: 'an order that is there twice',
    spoil: `insert into ordered values ('o-4', 'cancelled', 'out_of_stock', 9900)`,
    says: ['order o-4 is in Orders more than once'],
  },
  {
    what: 'a completed order that was never charged',
    spoil: `delete from charge where order_id = 'o-1'; delete from booked where order_id = 'o-1'`,
    says: [
      'order o-1 is completed, so £15.00 should be left of its charge, but £0.00 were charged and £0.00 refunded',
      '£0.00 are left of all charges after refunds, but the completed orders cost £15.00',
    ],
    counts: { money: { balanced: false } },
  },
  {
    what: 'a cancelled order that was not refunded',
    spoil: `delete from refund; update booked set refunded_cents = 0`,
    says: [
      'order o-3 is cancelled, so £0.00 should be left of its charge, but £7.00 were charged and £0.00 refunded',
      '£22.00 are left of all charges after refunds, but the completed orders cost £15.00',
    ],
  },
  {
    what: 'an order charged twice, and given back once',
    spoil: `insert into charge values ('ch_1b', 'charge-o-1-again', 'o-1', 1500);
     insert into refund values ('re_1', 'refund-o-1', 'ch_1b', 'o-1', 1500)`,
    says: [
      'order o-1 was charged 2 times (ch_1, ch_1b)',
      'order o-1: the book of Payments has £15.00 charged and £0.00 refunded, the gateway £30.00 and £15.00',
    ],
    counts: { money: { doubleCharges: 1, balanced: false } },
  },
  {
    what: 'one idempotency key with two charges',
    spoil: `insert into charge values ('ch_1b', 'charge-o-1', 'o-1', 1500)`,
    says: ['the idempotency key charge-o-1 led to 2 charges'],
  },
  {
    what: 'a charge of another amount',
    spoil: `update charge set amount_cents = 1400 where order_id = 'o-1'`,
    says: ['order o-1 was charged £14.00, and costs £15.00'],
  },
  {
    what: 'a charge for an order that nobody placed',
    spoil: `insert into charge values ('ch_9', 'charge-o-9', 'o-9', 100)`,
    says: ['£1.00 were charged for order o-9, which nobody placed'],
  },
  {
    what: 'a book that differs from the ledger',
    spoil: `update booked set charged_cents = 1400 where order_id = 'o-1'`,
    says: ['order o-1: the book of Payments has £14.00 charged and £0.00 refunded, the gateway £15.00 and £0.00'],
  },
  {
    what: 'stock that is one short',
    spoil: `update stock set available = 6 where sku = 'MUG'`,
    says: ['MUG: 10 units at first are not 6 available, 0 reserved and 3 sold'],
    counts: { stock: { available: 11, balanced: false } },
  },
  {
    what: 'stock that is still reserved',
    spoil: `update stock set available = 6, reserved = 1 where sku = 'MUG'`,
    says: ['MUG: 1 unit still reserved, although no order is open'],
  },
  {
    what: 'a unit sold to nobody',
    spoil: `update stock set available = 6, sold = 4 where sku = 'MUG'`,
    says: ['MUG: 4 units sold, but the completed orders hold 3'],
  },
  {
    what: 'a product that was sold and is not there',
    spoil: `delete from stock where sku = 'SPOON'`,
    says: ['SPOON: 0 units sold, but the completed orders hold 1', 'SPOON: 0 units at first, but 5 were put in'],
  },
]

test.each(planted)('it finds $what', async ({ spoil, says, counts = {} }) => {
  const run = await goodRun()
  await run.spoil(spoil)
  const audited = await run.audit()
  expect(audited.problems).toEqual(expect.arrayContaining(says))
  expect(audited).toMatchObject(counts)
})

test('a dead letter is no loss, and is counted', async () => {
  const run = await goodRun()
  await run.spoil(`
    delete from applied where grp = 'inventory' and message_id = 'm-6';
    insert into dead values ('inventory', 'inventory', 'm-6', 'order.confirmed', 'no such reservation');
    update committed set relayed = false where id = 'm-8';
    delete from applied where message_id = 'm-8';
    insert into dead values ('orders', '$relay', 'm-8', 'order.completed', 'too large')`)
  expect(await run.audit()).toMatchObject({
    deadLetters: 2,
    correctness: { lost: 0, duplicated: 0, outOfOrder: 0 },
    problems: [],
  })
})

test('a thousand problems of a kind are ten sentences and a count', async () => {
  const run = await goodRun()
  await run.spoil(`insert into placed select 'x-' || n, '9', 0, true, null from generate_series(1, 1234) n`)
  const { problems } = await run.audit()
  expect(problems).toHaveLength(11)
  expect(problems.at(-1)).toBe('and 1,224 more: accepted orders that are gone')
})
