import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished } from 'vitest'

import type { Behaviour } from '../src/behaviour.ts'
import type { LedgerReport } from '../src/ledger.ts'
import { startGateway } from '../src/start-gateway.ts'
import type { GatewayOptions } from '../src/start-gateway.ts'

export interface Answered {
  status: number
  body: Record<string, unknown>
  replay: boolean
}

/** A client of a gateway, for tests. */
export interface Client {
  url: string
  charge(key: string, changes?: object, signal?: AbortSignal): Promise<Answered>
  refund(key: string, chargeId: unknown, amountCents?: number): Promise<Answered>
  cancel(key: string): Promise<Answered>
  behave(behaviour: Partial<Behaviour>): Promise<Answered>
  get(path: string): Promise<Answered>
  ledger(): Promise<LedgerReport>
  /** Settles once a number of payment requests are at the gateway, unanswered. */
  underWay(count: number): Promise<void>
}

export const CHARGE = { orderId: 'order-1', amountCents: 1_999, currency: 'GBP', paymentMethod: 'tok_visa' }

export function clientOf(url: string): Client {
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: object,
    signal?: AbortSignal,
  ) => {
    const response = await fetch(url + path, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    const answer = (await response.json()) as Record<string, unknown>
    return { status: response.status, body: answer, replay: response.headers.get('idempotent-replay') === 'true' }
  }
  const keyed = (key: string): Record<string, string> => ({ 'idempotency-key': key })
  const get = (path: string): Promise<Answered> => send('GET', path, {})
  return {
    url,
    charge: (key, changes = {}, signal) => send('POST', '/charges', keyed(key), { ...CHARGE, ...changes }, signal),
    refund: (key, chargeId, amountCents) =>
      send(
        'POST',
        `/charges/${String(chargeId)}/refunds`,
        keyed(key),
        amountCents === undefined ? {} : { amountCents },
      ),
    cancel: (key) => send('POST', '/cancellations', keyed(key)),
    behave: (behaviour) => send('PUT', '/behaviour', {}, behaviour),
    get,
    async underWay(count) {
      await expect.poll(async () => (await get('/health')).body['underWay'], { timeout: 5_000 }).toBe(count)
    },
    ledger: async () => (await (await fetch(`${url}/ledger`)).json()) as LedgerReport,
  }
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A gateway on a free port, stopped after the test. */
export async function gateway(options: Partial<GatewayOptions> = {}): Promise<Client> {
  const journal = options.journal ?? join(await temporaryFolder(), 'journal.jsonl')
  const started = await startGateway({ port: 0, seed: 1, ...options, journal })
  onTestFinished(() => started.close())
  return clientOf(started.url)
}
