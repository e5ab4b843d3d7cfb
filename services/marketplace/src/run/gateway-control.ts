import type { Behaviour, LedgerReport } from '@acuse-services/gateway'

import { send, sendUntilAnswered } from '../feed/http.ts'

/**
 * How the gateway misbehaves from the start. The shares are small: each lost answer and each slow one makes Payments ask
 * again, and a hundred orders should show a few.
 */
export const GATEWAY_BEHAVIOUR: Partial<Behaviour> = {
  refuseRate: 0.02,
  slowRate: 0.05,
  slowMs: 300,
  loseResponseRate: 0.05,
}

/** Has the gateway answer nothing but 503 for a while. */
export async function gatewayOutage(url: string, ms: number): Promise<void> {
  const body: Partial<Behaviour> = { ...GATEWAY_BEHAVIOUR, outage: true, outageMs: Math.round(ms) }
  await send(`${url}/behaviour`, { method: 'PUT', body, signal: new AbortController().signal })
}

/** What the gateway has charged and refunded. */
export async function readLedger(url: string): Promise<LedgerReport> {
  const { signal } = new AbortController()
  const { body } = await sendUntilAnswered([`${url}/ledger`], { signal, timeoutMs: 30_000, giveUpMs: 30_000 })
  return body as LedgerReport
}
