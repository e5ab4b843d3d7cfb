import type { Database } from '../database/database.ts'
import { excerpt, sendUntilAnswered } from '../feed/http.ts'

/** Requests at once: the real shop has 4,000 products, and one request takes a few milliseconds. */
const AT_ONCE = 8
const GIVE_UP_MS = 30_000

/** Puts the stock in through Inventory's own interface, and writes down what was put in. */
export async function seedStock(
  stock: ReadonlyMap<string, number>,
  inventoryUrl: string,
  audit: Database,
  signal: AbortSignal,
): Promise<void> {
  const left = stock.entries()
  const put = async (): Promise<void> => {
    for (const [sku, quantity] of left) {
      const url = `${inventoryUrl}/stock/${encodeURIComponent(sku)}`
      const answer = await sendUntilAnswered([url], { method: 'PUT', body: { quantity }, signal, giveUpMs: GIVE_UP_MS })
      if (answer.status !== 200)
        throw new Error(`Inventory does not take ${quantity} of ${sku}: ${excerpt(answer.body)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, put))
  const rows = [...stock].map(([sku, quantity]) => ({ sku, quantity }))
  await audit.query(
    'insert into seeded select * from json_populate_recordset(null::seeded, $1) on conflict (sku) do nothing',
    [JSON.stringify(rows)],
  )
}
