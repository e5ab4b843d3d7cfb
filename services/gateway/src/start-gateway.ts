import { setTimeout as delay } from 'node:timers/promises'

import swagger from '@fastify/swagger'
import { LogController, fastify } from 'fastify'
import type { FastifyBaseLogger, FastifyError, FastifyInstance } from 'fastify'

import type { Behaviour } from './behaviour.ts'
import { createBehaviourSwitch } from './behaviour-switch.ts'
import { createProcessor } from './processor.ts'
import { addRoutes } from './routes.ts'
import { createSilentReplies } from './silent-replies.ts'
import { watchUnusedConnections } from './unused-connections.ts'

/** Decisions take one fsync each; whoever is not done after this has not even sent a whole request. */
const LONGEST_CLOSE_MS = 5_000

export interface GatewayOptions {
  /** 0 takes a free port. */
  port: number
  /** Default `127.0.0.1`. */
  host?: string
  /** Path of the journal file. It is made when missing; one gateway at a time may have it open. */
  journal: string
  /** Decides which requests the rates hit. The same seed and the same keys give the same run. */
  seed: string | number
  /** The behaviour to begin with; a restart begins with it again. Default: good. */
  behaviour?: Partial<Behaviour>
  /** A logger, or the level from which to log JSON to standard output. Default: no log. */
  logger?: FastifyBaseLogger | { level: string }
}

export interface Gateway {
  url: string
  /** Answers what is under way, then closes the journal. */
  close(): Promise<void>
}

/**
 * Starts the payment gateway: a stand-in for an outside card processor, with refusals, slowness, lost answers and
 * outages that one can ask for. Rejects with `JournalDamagedError` when the journal cannot be read.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const seed = String(options.seed)
  const behaviour = createBehaviourSwitch(options.behaviour)
  const closing = new AbortController()
  const pause = async (ms: number): Promise<void> => {
    try {
      await delay(ms, undefined, { signal: closing.signal })
    } catch {
      // Closing: nobody needs to wait any longer.
    }
  }
  const processor = await createProcessor({ journal: options.journal, seed, behaviour: () => behaviour.now(), pause })
  const silentReplies = createSilentReplies()
  const app = createApp(options.logger)

  const unusedConnections = watchUnusedConnections(app.server)

  app.addHook('preClose', async () => {
    closing.abort()
    silentReplies.dropAll()
    unusedConnections.dropAll()
  })
  // Kept alive, a connection answered now would hold the close up for the 72 s of its keep-alive.
  app.addHook('onSend', async (_request, reply) => {
    if (closing.signal.aborted) reply.header('Connection', 'close')
  })
  try {
    await app.register(swagger, {
      openapi: { openapi: '3.1.0', info: { title: 'Payment gateway', version: '1.0.0' } },
    })
    addRoutes(app, { processor, behaviour, silentReplies, seed, pause })
    const url = await app.listen({ port: options.port, host: options.host ?? '127.0.0.1' })
    return {
      url,
      async close() {
        const overdue = setTimeout(() => app.server.closeAllConnections(), LONGEST_CLOSE_MS)
        await app.close()
        clearTimeout(overdue)
        await processor.close()
      },
    }
  } catch (error) {
    await app.close()
    await processor.close()
    throw error
  }
}

function createApp(logger: GatewayOptions['logger']): FastifyInstance {
  const app = fastify({
    ...(logger !== undefined && 'info' in logger ? { loggerInstance: logger } : { logger: logger ?? false }),
    // A line or two for each request would drown the log of a load test.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 16_384,
    // A processor that quietly turns "100" into 100 would hide a client's mistake.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  })
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500 && status !== 503) request.log.error(error)
    const code = error.validation ? 'invalid_request' : error.code
    const message = status === 500 ? 'the gateway failed' : error.message
    return reply.code(status).send({ error: status === 500 ? 'internal' : code, message })
  })
  return app
}
