import type { Database } from '../database/database.ts'
import { counted } from '../display/numbers.ts'
import type { Summary } from '../display/summary-type.ts'
import { findNone } from './problems.ts'

interface StockRow {
  sku: string
  initial: string
  available: string
  reserved: string
  sold: string
  expected: string
}

const units = (count: string): string => counted(Number(count), 'unit')

/** Whether what was put in is there, held or sold; nothing is held any more, and what was sold is what was ordered. */
export async function checkStock(audit: Database): Promise<{ stock: Summary['stock']; problems: string[] }> {
  const [sums] = await audit.query<Pick<StockRow, 'initial' | 'available' | 'reserved' | 'sold'>>(
    `select coalesce(sum(initial), 0) as initial, coalesce(sum(available), 0) as available,
       coalesce(sum(reserved), 0) as reserved, coalesce(sum(sold), 0) as sold from stock`,
  )
  const findings = [
    await findNone<StockRow>(
      audit,
      `select sku, initial, available, reserved, sold from stock
       where initial <> available + reserved + sold or least(available, reserved, sold) < 0 order by sku`,
      ({ sku, initial, available, reserved, sold }) =>
        `${sku}: ${units(initial)} at first are not ${available} available, ${reserved} reserved and ${sold} sold`,
      'products that do not add up',
    ),
    await findNone<StockRow>(
      audit,
      `select sku, reserved from stock where reserved <> 0 order by sku`,
      ({ sku, reserved }) => `${sku}: ${units(reserved)} still reserved, although no order is open`,
      'products still reserved',
    ),
    await findNone<StockRow>(
      audit,
      `select coalesce(s.sku, e.sku) as sku, coalesce(s.sold, 0) as sold, coalesce(e.expected, 0) as expected
       from stock s full join (
         select l.sku, sum(l.quantity) as expected from placed_line l join ordered o using (order_id)
         where o.state = 'completed' group by l.sku
       ) e on e.sku = s.sku
       where coalesce(s.sold, 0) <> coalesce(e.expected, 0) order by 1`,
      ({ sku, sold, expected }) => `${sku}: ${units(sold)} sold, but the completed orders hold ${expected}`,
      'products sold otherwise than ordered',
    ),
    await findNone<StockRow>(
      audit,
      `select coalesce(s.sku, e.sku) as sku, coalesce(s.initial, 0) as initial, coalesce(e.quantity, 0) as expected
       from stock s full join seeded e on e.sku = s.sku
       where coalesce(s.initial, 0) <> coalesce(e.quantity, 0) order by 1`,
      ({ sku, initial, expected }) => `${sku}: ${units(initial)} at first, but ${expected} were put in`,
      'products put in otherwise',
    ),
  ]
  const problems = findings.flatMap((finding) => finding.problems)
  return {
    stock: {
      initial: Number(sums?.initial ?? 0),
      reserved: Number(sums?.reserved ?? 0),
      sold: Number(sums?.sold ?? 0),
      available: Number(sums?.available ?? 0),
      balanced: problems.length === 0,
    },
    problems,
  }
}
