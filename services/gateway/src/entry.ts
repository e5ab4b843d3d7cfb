/** What a charge asks for. */
export interface ChargeRequest {
  orderId: string
  amountCents: number
  currency: string
  paymentMethod: string
}

/** Keys the processor makes itself, for the refund a cancellation leads to. */
export const CANCEL_PREFIX = 'cancel:'

interface Decided {
  /** The idempotency key of the request. */
  key: string
  /** Fingerprint of the request, to tell the same key with another body. */
  print: string
  /** ISO 8601, UTC. */
  at: string
}

export interface ChargeEntry extends Decided, ChargeRequest {
  type: 'charge'
  chargeId: string
}

export interface RefusalEntry extends Decided, ChargeRequest {
  type: 'refusal'
  reason: string
}

export interface RefundEntry extends Decided {
  type: 'refund'
  refundId: string
  chargeId: string
  orderId: string
  amountCents: number
}

/** A key cancelled before it was charged; a charge that still comes with it is refused. */
export interface CancellationEntry {
  type: 'cancellation'
  key: string
  at: string
}

/** A decision of the processor: what the journal keeps and the ledger adds up. */
export type Entry = ChargeEntry | RefusalEntry | RefundEntry | CancellationEntry

export interface Answer {
  status: 201 | 402
  body: Record<string, string | number>
}

/** What the client is told of a decision; the same before and after a restart, since it is derived from the entry alone. */
export function answerOf(entry: Entry): Answer {
  if (entry.type === 'charge') return { status: 201, body: { chargeId: entry.chargeId, status: 'captured' } }
  if (entry.type === 'refund') {
    const { refundId, chargeId, amountCents } = entry
    return { status: 201, body: { refundId, chargeId, amountCents, status: 'refunded' } }
  }
  const reason = entry.type === 'refusal' ? entry.reason : 'cancelled'
  return { status: 402, body: { status: 'refused', reason } }
}
