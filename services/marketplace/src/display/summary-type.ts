/** What a run of the marketplace came to. Money in pence, times in milliseconds unless the name says otherwise. */
export interface Summary {
  /** What was between the services, as people call it. */
  transport: string
  orders: {
    total: number
    confirmed: number
    outOfStock: number
    paymentRefused: number
    paymentTimedOut: number
    cancelled: number
    expired: number
    /** Refused by the orders service itself, before there was an order. */
    rejectedBeforeOrder: number
    /** Still without a final state when the run ended. */
    open: number
  }
  /** Lines of the input that could not be used. */
  rejectedLines: number
  messages: { published: number; applied: number }
  retries: number
  deadLetters: number
  /** From the commit that published a message to the commit of its effect. */
  latencyMs: { p50: number; p95: number; p99: number; max: number; count: number }
  correctness: { lost: number; duplicated: number; outOfOrder: number }
  money: {
    chargedCents: number
    refundedCents: number
    confirmedCents: number
    doubleCharges: number
    /** Charged less refunded is what the confirmed orders cost. */
    balanced: boolean
  }
  stock: {
    initial: number
    reserved: number
    sold: number
    available: number
    /** Reserved, sold and available are together what there was. */
    balanced: boolean
  }
  faults: { kills: number; restarts: number }
  seconds: number
  ok: boolean
  /** What went against the guarantees, in words; empty when all is well. */
  problems: string[]
  addresses: { orders: string; inventory: string; payments: string; gateway: string }
}
