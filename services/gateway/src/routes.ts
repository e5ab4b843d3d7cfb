import type { FastifyInstance, FastifyReply } from 'fastify'

import { chance } from './behaviour.ts'
import type { Behaviour } from './behaviour.ts'
import type { BehaviourSwitch } from './behaviour-switch.ts'
import type { ChargeRequest } from './entry.ts'
import { GatewayError } from './gateway-error.ts'
import { paymentMethod } from './payment-method.ts'
import type { Outcome, Processor } from './processor.ts'
import * as schemas from './schemas.ts'
import type { SilentReplies } from './silent-replies.ts'

export interface RouteParts {
  processor: Processor
  behaviour: BehaviourSwitch
  silentReplies: SilentReplies
  seed: string
  pause: (ms: number) => Promise<void>
}

interface WithKey {
  Headers: { 'idempotency-key': string }
}

export function addRoutes(app: FastifyInstance, parts: RouteParts): void {
  let underWay = 0
  app.register(async (payments) => {
    payments.addHook('onRequest', async (_request, reply) => {
      underWay += 1
      reply.raw.once('close', () => {
        underWay -= 1
      })
    })
    addPaymentRoutes(payments, parts)
  })
  addControlRoutes(app, parts, () => underWay)
}

/** What the outside processor offers. An outage closes all of it. */
function addPaymentRoutes(app: FastifyInstance, parts: RouteParts): void {
  const { processor, behaviour, silentReplies, seed, pause } = parts

  app.addHook('onRequest', async (_request, reply) => {
    const leftMs = behaviour.outageLeftMs()
    if (leftMs === 0) return
    if (leftMs < Infinity) reply.header('Retry-After', Math.ceil(leftMs / 1_000))
    throw new GatewayError(503, 'outage', 'the processor is out of order')
  })

  const answer = (reply: FastifyReply, outcome: Outcome): FastifyReply => {
    if (outcome.silent) return silentReplies.hold(reply)
    if (outcome.lost) {
      reply.hijack()
      reply.raw.destroy()
      return reply
    }
    if (outcome.replay) reply.header('Idempotent-Replay', 'true')
    return reply.code(outcome.answer.status).send(outcome.answer.body)
  }

  app.post<WithKey & { Body: ChargeRequest }>('/charges', { schema: schemas.chargeSchema }, async (request, reply) =>
    answer(reply, await processor.charge(request.headers['idempotency-key'], request.body)),
  )

  app.post<WithKey & { Params: { id: string }; Body: { amountCents?: number } }>(
    '/charges/:id/refunds',
    { schema: schemas.refundSchema },
    async ({ headers, params, body }, reply) =>
      answer(reply, await processor.refund(headers['idempotency-key'], params.id, body.amountCents)),
  )

  app.post<WithKey>('/cancellations', { schema: schemas.cancelSchema }, (request) =>
    processor.cancel(request.headers['idempotency-key']),
  )

  app.get<{ Params: { token: string } }>(
    '/payment-methods/:token',
    { schema: schemas.paymentMethodSchema },
    async ({ params: { token } }) => {
      const { slowRate, slowMs } = behaviour.now()
      if (chance(seed, 'slow check', token) < slowRate) await pause(slowMs)
      return paymentMethod(token)
    },
  )
}

/** What a test or a demonstration asks of the gateway; an outage leaves it open. */
function addControlRoutes(app: FastifyInstance, { processor, behaviour }: RouteParts, underWay: () => number): void {
  app.get('/ledger', { schema: schemas.ledgerSchema }, async () => processor.ledger())
  app.get('/behaviour', { schema: schemas.behaviourSchema }, async () => behaviour.now())
  app.put<{ Body: Partial<Behaviour> }>('/behaviour', { schema: schemas.setBehaviourSchema }, async ({ body }) =>
    behaviour.set(body),
  )
  app.get('/health', { schema: schemas.healthSchema }, async () => ({
    status: 'ok',
    outage: behaviour.now().outage,
    underWay: underWay(),
    charging: processor.charging(),
  }))
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
