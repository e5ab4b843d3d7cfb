import { Cents, OrderId } from '@acuse-services/contracts'
import type { Bus } from '@acuse/core'
import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance, LogController } from 'fastify'
import type { Pool, PoolClient } from 'pg'
import { z } from 'zod'

import { findPayment, paymentStates, totals } from './book.ts'
import { type Gateway, isGatewayDown } from './gateway.ts'
import type { Settings } from './settings.ts'

/** Orders waits 200 ms for the answer; what is left is for the way there and back. */
const checkBudgetMs = 150

const Count = z.number().int().min(0)
const Token = z.object({ token: z.string().min(1).max(200) })
const Validity = z.object({ valid: z.boolean() })
const State = z.enum(paymentStates)
const PaymentRow = z.object({
  orderId: OrderId,
  state: State,
  chargeId: z.string().nullable(),
  chargedCents: Cents,
  refundedCents: Cents,
  reason: z.string().nullable(),
  changedAt: z.iso.datetime(),
})
const Stats = z.object({ byState: z.record(State, Count), chargedCents: Cents, refundedCents: Cents })
const Problem = z.object({ error: z.string(), message: z.string() })
const Health = z.object({
  status: z.enum(['ok', 'degraded']),
  connected: z.boolean(),
  gateway: z.enum(['closed', 'open', 'half-open', 'none']).describe('The breaker before the gateway'),
  parked: Count,
})

/** The service's HTTP interface, not listening yet. */
export async function createHttp(
  bus: Bus<PoolClient>,
  pool: Pool,
  gateway: Gateway,
  log: Settings['log'],
): Promise<FastifyInstance> {
  const app = fastify({
    // Standard output is for the line that says the service is ready.
    logger: { level: log === 'quiet' ? 'error' : 'info', stream: process.stderr },
    logController: new LogController({ disableRequestLogging: true }),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    forceCloseConnections: 'idle',
  })
  await app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'Payments', version: '1.0.0' } } })
  app.after(() => addRoutes(app, bus, pool, gateway))
  await app.ready()
  return app
}

function addRoutes(app: FastifyInstance, bus: Bus<PoolClient>, pool: Pool, gateway: Gateway): void {
  app.post<{ Body: z.infer<typeof Token> }>(
    '/payment-methods/check',
    {
      schema: {
        summary: 'Whether a payment token stands for a card',
        body: json(Token),
        response: { 200: json(Validity), 503: json(Problem) },
      },
    },
    async ({ body: { token } }, reply) => {
      try {
        return { valid: await gateway.isValid(token, AbortSignal.timeout(checkBudgetMs)) }
      } catch (error) {
        if (!isGatewayDown(error)) throw error
        return reply.code(503).send({ error: 'gateway_down', message: 'the payment gateway does not answer' })
      }
    },
  )

  app.get<{ Params: { orderId: string } }>(
    '/payments/:orderId',
    {
      schema: {
        summary: "What became of an order's payment",
        params: json(z.object({ orderId: OrderId })),
        response: { 200: json(PaymentRow), 404: json(Problem) },
      },
    },
    async ({ params: { orderId } }, reply) => {
      const payment = await findPayment(pool, orderId)
      if (payment !== undefined) return payment
      return reply.code(404).send({ error: 'unknown_payment', message: `order ${orderId} has no payment so far` })
    },
  )

  app.get('/stats', { schema: { summary: 'The book, added up', response: { 200: json(Stats) } } }, () => totals(pool))

  app.get('/health', { schema: { summary: 'Whether messages flow', response: { 200: json(Health) } } }, async () => {
    const { running, connected, groups } = await bus.state()
    const breaker = groups.find(({ group }) => group === bus.service)?.breaker ?? 'none'
    const parked = groups.flatMap((group) => Object.values(group.parked)).reduce((sum, count) => sum + count, 0)
    const well = running && connected && breaker !== 'open'
    return { status: well ? 'ok' : 'degraded', connected, gateway: breaker, parked }
  })

  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}

/** Fastify and OpenAPI read JSON Schema. */
function json(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { target: 'draft-07' })
  return rest
}
