import { createHash } from 'node:crypto'

/** How the processor misbehaves. Rates are shares from 0 to 1; everything is off by default. */
export interface Behaviour {
  /** Share of charges that are refused. */
  refuseRate: number
  /** Share of requests that take `slowMs` longer. A slow charge happens even if nobody waits for it any more. */
  slowRate: number
  slowMs: number
  /** Share of charges and refunds that are made, and whose first answer is then lost with the connection. */
  loseResponseRate: number
  /** Every payment request is answered 503, at once and without effect. */
  outage: boolean
  /** When the outage ends by itself; 0 is never. */
  outageMs: number
}

export const GOOD_BEHAVIOUR: Behaviour = {
  refuseRate: 0,
  slowRate: 0,
  slowMs: 0,
  loseResponseRate: 0,
  outage: false,
  outageMs: 0,
}

/** Tokens that decide for themselves, whatever the rates say. */
export const TOKENS = {
  /** Always refused. */
  refused: 'tok_refused',
  /** Never answered and never charged. */
  timeout: 'tok_timeout',
  /** Charged; the first answer is lost. */
  lost: 'tok_lost',
  /** No card at all: the check says so, and a charge is refused. */
  invalid: 'tok_invalid',
} as const

/** A number from 0 up to 1 that is the same whenever seed, purpose and key are: a run with the same seed can be repeated. */
export function chance(seed: string, purpose: string, key: string): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, purpose, key]))
    .digest()
  return digest.readUIntBE(0, 6) / 2 ** 48
}
