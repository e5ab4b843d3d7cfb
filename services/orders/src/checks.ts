import type { OrderLine, Shortage } from '@acuse-services/contracts'
import { Breaker, type BreakerState, type Clock } from '@acuse/core'
import { z } from 'zod'

export interface CheckOptions {
  readonly inventoryUrl: string
  readonly paymentsUrl: string
  /** Default 100. */
  readonly stockBudgetMs?: number
  /** Default 200: Payments asks the gateway in turn. */
  readonly paymentMethodBudgetMs?: number
  readonly clock?: Clock
}

/**
 * Asks other services before an order is accepted. `undefined` is no answer in time: the order is accepted then, and
 * decided on later.
 */
export interface Checks {
  /** What is missing; an order that can be had misses nothing. */
  missing(lines: readonly OrderLine[]): Promise<readonly Shortage[] | undefined>
  isMethodValid(paymentToken: string): Promise<boolean | undefined>
  readonly states: { readonly stock: BreakerState; readonly paymentMethod: BreakerState }
}

const StockAnswer = z.object({
  missing: z.array(z.object({ sku: z.string(), requested: z.number(), available: z.number() })),
})
const MethodAnswer = z.object({ valid: z.boolean() })

export function createChecks(options: CheckOptions): Checks {
  const { inventoryUrl, paymentsUrl, stockBudgetMs = 100, paymentMethodBudgetMs = 200, clock } = options
  const settings = { threshold: 5, windowMs: 60_000, resetMs: 30_000, ...(clock === undefined ? {} : { clock }) }
  const stock = new Breaker('stock check', settings)
  const paymentMethod = new Breaker('payment method check', settings)
  return {
    missing: async (lines) => {
      const body = { lines: lines.map(({ sku, quantity }) => ({ sku, quantity })) }
      const request = { url: `${inventoryUrl}/stock/check`, body, answer: StockAnswer, budgetMs: stockBudgetMs }
      return (await ask(stock, request))?.missing
    },
    isMethodValid: async (token) => {
      const url = `${paymentsUrl}/payment-methods/check`
      const request = { url, body: { token }, answer: MethodAnswer, budgetMs: paymentMethodBudgetMs }
      return (await ask(paymentMethod, request))?.valid
    },
    get states() {
      return { stock: stock.state, paymentMethod: paymentMethod.state }
    },
  }
}

interface Question<Answer> {
  readonly url: string
  readonly body: object
  readonly answer: z.ZodType<Answer>
  readonly budgetMs: number
}

/** Settles within the budget, and with it the request: what is not answered by then is aborted, and its connection closed. */
async function ask<Answer>(breaker: Breaker, question: Question<Answer>): Promise<Answer | undefined> {
  const { url, body, answer, budgetMs } = question
  const call = async (): Promise<Answer> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(budgetMs),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
    return answer.parse(JSON.parse(text))
  }
  try {
    return await breaker.run(call)
  } catch {
    // Whatever it was, the breaker has counted it, and the order is accepted without the answer.
    return undefined
  }
}
