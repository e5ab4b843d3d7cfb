import 'reflect-metadata'

import type { Drainable } from '@acuse/core'
import { ConsoleLogger, type LoggerService, type LogLevel } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger'

import { openDatabase } from './database.ts'
import { ordersModule } from './orders-module.ts'
import type { Settings } from './settings.ts'

/** A client that gave up leaves a connection on which nothing ever comes; requests are answered long before this. */
const longestCloseMs = 2_000

/** An instance that serves and consumes, until it is stopped. */
export interface Service extends Drainable {
  readonly url: string
}

/** Starts Orders. Rejects, with everything closed, when the database or the port cannot be had. */
export async function startOrders(settings: Settings): Promise<Service> {
  const pool = await openDatabase(settings.databaseUrl)
  let app: NestFastifyApplication | undefined
  const stop: Drainable['stop'] = async () => {
    const overdue = setTimeout(() => app?.getHttpServer().closeAllConnections(), longestCloseMs)
    await app?.close()
    clearTimeout(overdue)
    await pool.end()
  }
  try {
    app = await NestFactory.create<NestFastifyApplication>(
      ordersModule(settings, pool),
      new FastifyAdapter({ forceCloseConnections: 'idle' }),
      { logger: loggerFor(settings.log), abortOnError: false },
    )
    serveDescription(app)
    await app.listen(settings.port, settings.host)
    return { url: await app.getUrl(), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function serveDescription(app: NestFastifyApplication): void {
  const about = new DocumentBuilder().setOpenAPIVersion('3.1.0').setTitle('Orders').setVersion('1.0.0').build()
  const description = SwaggerModule.createDocument(app, about)
  app.getHttpAdapter().get('/openapi.json', (_request: unknown, reply: { send(body: object): void }) => {
    reply.send(description)
  })
}

/** Standard output is for the line that says the service is ready. */
class StandardErrorLogger extends ConsoleLogger {
  protected override printMessages(messages: unknown[], context?: string, level?: LogLevel): void {
    super.printMessages(messages, context, level, 'stderr')
  }
}

function loggerFor(log: Settings['log']): LoggerService {
  return new StandardErrorLogger({ json: true, ...(log === 'quiet' ? { logLevels: ['error', 'fatal'] } : {}) })
}
