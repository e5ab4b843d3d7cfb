import { Shortage, Sku, StockLine, StockReplenished } from '@acuse-services/contracts'
import type { Bus } from '@acuse/core'
import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance, LogController } from 'fastify'
import type { Pool, PoolClient } from 'pg'
import { z } from 'zod'

import type { Settings } from './settings.ts'
import { listStock, quantities, setInitial, shortages } from './stock.ts'

const Count = z.number().int().min(0)
const StockRow = z.object({ sku: Sku, initial: Count, available: Count, reserved: Count, sold: Count })
const StockSet = z.object({
  quantity: Count.max(1_000_000_000).describe('All pieces there are, reserved and sold ones included'),
})
const StockCheck = z.object({ lines: z.array(StockLine).min(1).max(2_000) })
const StockAnswer = z.object({ available: z.boolean(), missing: z.array(Shortage) })
const Problem = z.object({ error: z.string(), message: z.string() })
const Stats = z.object({
  skus: Count,
  initial: Count,
  available: Count,
  reserved: Count,
  sold: Count,
  reservations: z.object({ reserved: Count, confirmed: Count, released: Count }),
})
const Health = z.object({ status: z.enum(['ok', 'degraded']), connected: z.boolean(), parked: Count })

/** The service's HTTP interface, not listening yet. */
export async function createHttp(bus: Bus<PoolClient>, pool: Pool, log: Settings['log']): Promise<FastifyInstance> {
  const app = fastify({
    // Standard output is for the line that says the service is ready.
    logger: { level: log === 'quiet' ? 'error' : 'info', stream: process.stderr },
    logController: new LogController({ disableRequestLogging: true }),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    forceCloseConnections: 'idle',
  })
  await app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'Inventory', version: '1.0.0' } } })
  app.after(() => addRoutes(app, bus, pool))
  await app.ready()
  return app
}

function addRoutes(app: FastifyInstance, bus: Bus<PoolClient>, pool: Pool): void {
  app.put<{ Params: { sku: string }; Body: z.infer<typeof StockSet> }>(
    '/stock/:sku',
    {
      schema: {
        summary: 'Say how many pieces of a product there are',
        params: json(z.object({ sku: Sku })),
        body: json(StockSet),
        response: { 200: json(StockRow), 409: json(Problem) },
      },
    },
    async ({ params: { sku }, body: { quantity } }, reply) => {
      const set = await bus.transaction(async (tx, publish) => {
        const changed = await setInitial(tx, sku, quantity)
        if (changed !== undefined && changed.before === 0 && changed.stock.available > 0) {
          publish(StockReplenished({ sku, available: changed.stock.available }), { bestEffort: true })
        }
        return changed
      })
      if (set !== undefined) return set.stock
      return reply
        .code(409)
        .send({ error: 'less_than_held', message: `more than ${quantity} of ${sku} are reserved or sold` })
    },
  )

  app.get('/stock', { schema: { summary: 'All products', response: { 200: json(z.array(StockRow)) } } }, () =>
    listStock(pool),
  )

  app.post<{ Body: z.infer<typeof StockCheck> }>(
    '/stock/check',
    {
      schema: {
        summary: 'Whether an order could be reserved now',
        body: json(StockCheck),
        response: { 200: json(StockAnswer) },
      },
    },
    async ({ body: { lines } }) => {
      const missing = await shortages(pool, quantities(lines))
      return { available: missing.length === 0, missing }
    },
  )

  app.get('/stats', { schema: { summary: 'Stock and reservations, added up', response: { 200: json(Stats) } } }, () =>
    readStats(pool),
  )

  app.get('/health', { schema: { summary: 'Whether messages flow', response: { 200: json(Health) } } }, async () => {
    const { running, connected, groups } = await bus.state()
    const parked = groups.flatMap((group) => Object.values(group.parked)).reduce((sum, count) => sum + count, 0)
    return { status: running && connected ? 'ok' : 'degraded', connected, parked }
  })

  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}

async function readStats(pool: Pool): Promise<z.infer<typeof Stats>> {
  const { rows } = await pool.query<Omit<z.infer<typeof Stats>, 'reservations'>>(
    `select count(*)::int as skus, coalesce(sum(initial), 0)::float8 as initial,
       coalesce(sum(available), 0)::float8 as available, coalesce(sum(reserved), 0)::float8 as reserved,
       coalesce(sum(sold), 0)::float8 as sold from stock`,
  )
  const { rows: states } = await pool.query<{ state: string; count: number }>(
    'select state, count(*)::int as count from reservations group by state',
  )
  const [stock = { skus: 0, initial: 0, available: 0, reserved: 0, sold: 0 }] = rows
  const counts = Object.fromEntries(states.map(({ state, count }) => [state, count]))
  return { ...stock, reservations: { reserved: 0, confirmed: 0, released: 0, ...counts } }
}

/** Fastify and OpenAPI read JSON Schema. */
function json(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { target: 'draft-07' })
  return rest
}
