import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'

import { createVirtualClock } from '@acuse/testing'
import { expect, it, onTestFinished } from 'vitest'

import { type Checks, createChecks } from '../src/checks.ts'

const lines = [{ sku: 'A', quantity: 2, unitPriceCents: 100 }]

/** On a busy machine an answer may take longer than the budgets that hold in earnest. */
const patient = { stockBudgetMs: 5_000, paymentMethodBudgetMs: 5_000 }

interface Asked {
  readonly checks: Checks
  readonly requests: readonly string[]
  /** Connections that somebody holds open. */
  readonly connections: () => Promise<number>
  readonly clock: ReturnType<typeof createVirtualClock>
}

/** Checks that ask a server that answers as it is told. */
async function asking(listener: RequestListener, budgets: object = patient): Promise<Asked> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    listener(request, response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
  const clock = createVirtualClock()
  return {
    checks: createChecks({ inventoryUrl: url, paymentsUrl: url, clock, ...budgets }),
    requests,
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      }),
    clock,
  }
}

it('passes on what it is told', async () => {
  const missing = [{ sku: 'A', requested: 2, available: 1 }]
  const { checks, requests } = await asking(({ url }, response) => {
    response.end(JSON.stringify(url === '/stock/check' ? { available: false, missing } : { valid: true }))
  })
  expect(await checks.missing(lines)).toEqual(missing)
  expect(await checks.isMethodValid('tok_visa')).toBe(true)
  expect(requests).toEqual(['/stock/check', '/payment-methods/check'])
})

it('waits 100 ms for stock and 200 ms for the payment method, and leaves no connection behind', async () => {
  const { checks, connections } = await asking(() => undefined, {})
  const start = performance.now()
  const stock = checks.missing(lines).then((answer) => [answer, performance.now() - start] as const)
  const method = checks.isMethodValid('tok_visa').then((answer) => [answer, performance.now() - start] as const)
  const [[noStock, stockMs], [noMethod, methodMs]] = await Promise.all([stock, method])
  expect([noStock, noMethod]).toEqual([undefined, undefined])
  expect(stockMs).toBeGreaterThanOrEqual(95)
  expect(methodMs).toBeGreaterThanOrEqual(195)
  expect(Math.max(stockMs, methodMs)).toBeLessThan(2_000)
  // An aborted request closes its connection; a spare one that undici opened has no request on it.
  await expect.poll(connections).toBeLessThanOrEqual(2)
})

it.each([
  ['an error', 500, '{}'],
  ['no JSON', 200, 'sorry'],
])('takes %s for no answer, asks no more after five, and tries one after 30 s', async (_, status, text) => {
  let answer = { status, text }
  const { checks, requests, clock } = await asking((_request, response) => {
    response.writeHead(answer.status).end(answer.text)
  })
  for (let asked = 0; asked < 8; asked++) expect(await checks.missing(lines)).toBeUndefined()
  expect(requests).toHaveLength(5)
  expect(checks.states).toEqual({ stock: 'open', paymentMethod: 'closed' })
  answer = { status: 200, text: JSON.stringify({ missing: [] }) }
  await clock.advance({ seconds: 30 })
  expect(await checks.missing(lines)).toEqual([])
  expect(checks.states.stock).toBe('closed')
})

it('takes an answer that makes no sense for none', async () => {
  const { checks } = await asking((_request, response) => void response.end('{"valid":"perhaps"}'))
  expect(await checks.isMethodValid('tok_visa')).toBeUndefined()
})
