import type { Shortage, StockLine } from '@acuse-services/contracts'
import type { ClientBase, Pool } from 'pg'

/** A product, and where its pieces are: together they are what there was at first. */
export interface Stock {
  readonly sku: string
  readonly initial: number
  readonly available: number
  readonly reserved: number
  readonly sold: number
}

export type Place = 'available' | 'reserved' | 'sold'

/** A product whose pieces moved, with what is available of it now. */
export interface Moved {
  readonly sku: string
  readonly available: number
  readonly quantity: number
}

// Sums and bigints come as text from pg; no stock is beyond what a number can hold.
const columns =
  'sku, initial::float8 as initial, available::float8 as available, reserved::float8 as reserved, sold::float8 as sold'

/** How many of each product are asked for. An order may name one in several lines. */
export function quantities(lines: readonly StockLine[]): ReadonlyMap<string, number> {
  const wanted = new Map<string, number>()
  for (const { sku, quantity } of lines) wanted.set(sku, (wanted.get(sku) ?? 0) + quantity)
  return wanted
}

/** What is missing for an order now. Locks nothing: by the time somebody reserves it may be different. */
export async function shortages(db: Pool | ClientBase, wanted: ReadonlyMap<string, number>): Promise<Shortage[]> {
  const { rows } = await db.query<{ sku: string; available: number }>(
    'select sku, available::float8 as available from stock where sku = any($1)',
    [[...wanted.keys()]],
  )
  const available = new Map(rows.map((row) => [row.sku, row.available]))
  return [...wanted]
    .map(([sku, requested]) => ({ sku, requested, available: available.get(sku) ?? 0 }))
    .filter((line) => line.available < line.requested)
}

/** Locks products until the transaction ends, always in the order of their sku, so that no two wait for each other. */
export async function lockStock(tx: ClientBase, skus: readonly string[]): Promise<void> {
  await tx.query('select from stock where sku = any($1) order by sku for update', [skus])
}

/** Moves all pieces of an order's reservation from one place to another. Their products must be locked. */
export async function move(tx: ClientBase, orderId: string, from: Place, to: Place): Promise<Moved[]> {
  const { rows } = await tx.query<{ sku: string; available: number; quantity: number }>(
    `update stock s set ${from} = s.${from} - l.quantity, ${to} = s.${to} + l.quantity
     from reservation_lines l where l.order_id = $1 and l.sku = s.sku
     returning s.sku, s.available::float8 as available, l.quantity::float8 as quantity`,
    [orderId],
  )
  return rows
}

/**
 * Says how many pieces of a product there are in all. What is reserved and sold stays so, hence `undefined` when the
 * quantity is less than that. `before` is what was available until now.
 */
export async function setInitial(
  tx: ClientBase,
  sku: string,
  quantity: number,
): Promise<{ readonly stock: Stock; readonly before: number } | undefined> {
  await tx.query('insert into stock (sku, initial, available) values ($1, 0, 0) on conflict (sku) do nothing', [sku])
  const { rows: locked } = await tx.query<{ available: number; held: number }>(
    'select available::float8 as available, (reserved + sold)::float8 as held from stock where sku = $1 for update',
    [sku],
  )
  const [now] = locked
  if (now === undefined || quantity < now.held) return undefined
  const { rows } = await tx.query<Stock>(
    `update stock set initial = $2, available = $2 - reserved - sold where sku = $1 returning ${columns}`,
    [sku, quantity],
  )
  const [stock] = rows
  return stock === undefined ? undefined : { stock, before: now.available }
}

export async function listStock(db: Pool): Promise<Stock[]> {
  const { rows } = await db.query<Stock>(`select ${columns} from stock order by sku`)
  return rows
}
