import { OrderCancelRequested, OrderCreated, type OrderLine } from '@acuse-services/contracts'
import { type Bus, newId, systemClock } from '@acuse/core'
import { InjectBus } from '@acuse/nestjs'
import { Inject, Injectable } from '@nestjs/common'
import type { Pool, PoolClient } from 'pg'

import type { Checks } from './checks.ts'
import type { Answer, OrderRequest, OrderState } from './order.ts'
import { findAnswer, insertOrder, keepAnswer, noteCancelRequest } from './order-table.ts'
import { CHECKS, POOL } from './tokens.ts'

/** Takes orders, and wishes to cancel them. */
@Injectable()
export class OrderDesk {
  readonly #bus: Bus<PoolClient>
  readonly #pool: Pool
  readonly #checks: Checks

  constructor(@InjectBus() bus: Bus<PoolClient>, @Inject(POOL) pool: Pool, @Inject(CHECKS) checks: Checks) {
    this.#bus = bus
    this.#pool = pool
    this.#checks = checks
  }

  /** Accepts an order, or says why not. The order, the answer and the message of it commit together. */
  async place(request: OrderRequest): Promise<Answer> {
    const orderId = request.orderId ?? newId(systemClock.now())
    const given = await findAnswer(this.#pool, orderId)
    if (given !== undefined) return given
    const answer = await this.#judge(orderId, request)
    return this.#bus.transaction(async (tx, publish) => {
      const kept = await keepAnswer(tx, orderId, answer)
      if (!kept) return (await findAnswer(tx, orderId)) ?? answer
      if (answer.status === 202) {
        const { customerId, country, currency, paymentToken, lines } = request
        const created = { orderId, customerId, country, currency, paymentToken, amountCents: amountOf(lines), lines }
        await insertOrder(tx, created)
        publish(OrderCreated(created), { correlationId: orderId, country })
      }
      return answer
    })
  }

  /** Passes the wish on. Whether it comes in time is decided by the checkout. `undefined`: there is no such order. */
  async cancel(orderId: string): Promise<OrderState | undefined> {
    return this.#bus.transaction(async (tx, publish) => {
      const noted = await noteCancelRequest(tx, orderId)
      const over = noted?.state === 'completed' || noted?.state === 'cancelled'
      if (noted?.first === true && !over) publish(OrderCancelRequested({ orderId }), { correlationId: orderId })
      return noted?.state
    })
  }

  async #judge(orderId: string, { lines, paymentToken }: OrderRequest): Promise<Answer> {
    const [missing, valid] = await Promise.all([this.#checks.missing(lines), this.#checks.isMethodValid(paymentToken)])
    if (missing !== undefined && missing.length > 0) return { status: 409, body: { reason: 'out_of_stock', missing } }
    if (valid === false) return { status: 402, body: { reason: 'payment_method_invalid' } }
    return { status: 202, body: { orderId, state: 'pending' } }
  }
}

function amountOf(lines: readonly OrderLine[]): number {
  return lines.reduce((sum, { quantity, unitPriceCents }) => sum + quantity * unitPriceCents, 0)
}
