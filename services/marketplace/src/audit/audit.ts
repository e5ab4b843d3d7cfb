import type { Database } from '../database/database.ts'
import type { Summary } from '../display/summary-type.ts'
import { checkMessages } from './check-messages.ts'
import { checkMoney } from './check-money.ts'
import { checkOrders } from './check-orders.ts'
import { checkStock } from './check-stock.ts'
import { measureLatency } from './latency.ts'

/** What the databases say of a run. */
export type Audited = Pick<
  Summary,
  'orders' | 'messages' | 'deadLetters' | 'latencyMs' | 'correctness' | 'money' | 'stock' | 'problems'
>

/**
 * Asks all questions of the audit's tables, which `collect` has filled. Each problem is a sentence that names the order,
 * message or product; the list is empty when every message was applied once and in order, and money and stock add up.
 */
export async function runAudit(audit: Database): Promise<Audited> {
  const messages = await checkMessages(audit)
  const { orders, problems: orderProblems } = await checkOrders(audit)
  const { money, problems: moneyProblems } = await checkMoney(audit)
  const { stock, problems: stockProblems } = await checkStock(audit)
  const { published, applied, deadLetters, lost, duplicated, outOfOrder } = messages
  return {
    orders,
    messages: { published, applied },
    deadLetters,
    latencyMs: await measureLatency(audit),
    correctness: { lost, duplicated, outOfOrder },
    money,
    stock,
    problems: [...messages.problems, ...orderProblems, ...moneyProblems, ...stockProblems],
  }
}
