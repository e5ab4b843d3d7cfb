import { type AcuseError, systemClock, type Transport, type WireMessage } from '@acuse/core'
import { redis, type RedisOptions } from '@acuse/redis'
import { Redis } from 'ioredis'
import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'

export const partitions = 4

export interface Opened {
  readonly transport: Transport
  readonly errors: AcuseError[]
}

/** Opens the transport for one test. */
export async function open(url: string, options: RedisOptions = {}): Promise<Opened> {
  const errors: AcuseError[] = []
  const context = {
    service: 'test',
    instance: randomUUID(),
    clock: systemClock,
    onError: (error: AcuseError) => void errors.push(error),
  }
  const transport = await redis(url, { leaseMs: 2_000, ...options })(context)
  onTestFinished(() => transport[Symbol.asyncDispose]())
  return { transport, errors }
}

/** The plain client, for what an operator does. */
export function operator(url: string): Redis {
  const client = new Redis(url)
  // Where a test kills the server it comes back by itself.
  client.on('error', () => undefined)
  onTestFinished(() => client.disconnect())
  return client
}

export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 13)}`
}

/** `a1`, `a2`, … of key `a`; the body is the label. */
export function series(stream: string, key: string, count: number, body?: Buffer): WireMessage[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ id: randomUUID(), type: 'test.happened', stream, partitions, key, priority: 'normal', headers: {} },
    body: body ?? Buffer.from(`${key}${index + 1}`),
  }))
}
