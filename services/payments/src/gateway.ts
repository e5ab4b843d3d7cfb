import { isNetworkError } from '@acuse/core'
import { z } from 'zod'

/** The gateway answered, with something that is neither yes nor no. */
class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly status: number

  constructor(status: number, request: string, answer: string) {
    super(`${request}: the gateway answered ${status}: ${answer.slice(0, 200)}`)
    this.status = status
  }
}

/** Whether an error says that the gateway, or the way to it, is down. A refused card does not: it is an answer, and no error. */
export function isGatewayDown(error: unknown): boolean {
  return isNetworkError(error) || (error instanceof GatewayError && error.status >= 500)
}

export interface Charge {
  readonly orderId: string
  readonly amountCents: number
  readonly currency: string
  readonly paymentToken: string
}

export type Charged =
  | { readonly outcome: 'charged'; readonly chargeId: string }
  | { readonly outcome: 'refused'; readonly reason: string }

export type Undone = { readonly outcome: 'refunded'; readonly chargeId: string } | { readonly outcome: 'not_charged' }

/**
 * The payment gateway. Its idempotency keys are made of the order, not of a message: whatever asks, and however often,
 * an order is charged once and refunded once.
 */
export interface Gateway {
  charge(charge: Charge, signal: AbortSignal): Promise<Charged>
  /** Gives back a charge that is known. */
  refund(orderId: string, chargeId: string, signal: AbortSignal): Promise<void>
  /** Gives back the order's charge if there was one, and otherwise keeps it from ever being made. */
  undo(orderId: string, signal: AbortSignal): Promise<Undone>
  isValid(paymentToken: string, signal: AbortSignal): Promise<boolean>
}

export interface GatewayOptions {
  readonly url: string
  /** For one request, ms. */
  readonly timeoutMs: number
}

const Captured = z.object({ chargeId: z.string() })
const Refused = z.object({ reason: z.string() })
const Cancelled = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('refunded'), chargeId: z.string() }),
  z.object({ outcome: z.literal('not_charged') }),
])
const Method = z.object({ valid: z.boolean() })

export function createGateway({ url, timeoutMs }: GatewayOptions): Gateway {
  const once = async (path: string, init: RequestInit, signal: AbortSignal): Promise<Answer> => {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const response = await fetch(url + path, { ...init, signal: bounded })
    // Read to its end, or its connection is never used again.
    return { request: `${init.method ?? 'GET'} ${path}`, status: response.status, text: await response.text() }
  }
  const send: typeof once = async (path, init, signal) => {
    try {
      return await once(path, init, signal)
    } catch (error) {
      // A connection that broke says nothing about the charge. With the same key it is safe to ask again at once.
      if (!isNetworkError(error) || isTimeout(error)) throw error
      return once(path, init, signal)
    }
  }
  const post = (path: string, key: string, body: object | undefined, signal: AbortSignal): Promise<Answer> => {
    const headers = { 'idempotency-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    return send(path, { method: 'POST', headers, body: body === undefined ? null : JSON.stringify(body) }, signal)
  }
  return {
    async charge({ orderId, amountCents, currency, paymentToken }, signal) {
      const body = { orderId, amountCents, currency, paymentMethod: paymentToken }
      const answer = await post('/charges', chargeKey(orderId), body, signal)
      if (answer.status === 402) return { outcome: 'refused', reason: read(Refused, answer).reason }
      return { outcome: 'charged', chargeId: read(Captured, answer, 201).chargeId }
    },
    async refund(orderId, chargeId, signal) {
      const path = `/charges/${encodeURIComponent(chargeId)}/refunds`
      read(Captured, await post(path, `refund-${orderId}`, {}, signal), 201)
    },
    async undo(orderId, signal) {
      return read(Cancelled, await post('/cancellations', chargeKey(orderId), undefined, signal), 200)
    },
    async isValid(paymentToken, signal) {
      const answer = await once(`/payment-methods/${encodeURIComponent(paymentToken)}`, {}, signal)
      return read(Method, answer, 200).valid
    },
  }
}

function chargeKey(orderId: string): string {
  return `charge-${orderId}`
}

interface Answer {
  readonly request: string
  readonly status: number
  readonly text: string
}

function read<Schema extends z.ZodType>(
  schema: Schema,
  { request, status, text }: Answer,
  expected = status,
): z.output<Schema> {
  if (status !== expected) throw new GatewayError(status, request, text)
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`${request}: the gateway's answer makes no sense.`, { cause })
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}
