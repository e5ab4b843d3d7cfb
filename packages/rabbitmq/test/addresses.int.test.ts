import type { PublishResult } from '@acuse/core'
import { freePort, type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { eventually, startFaultProxy } from '@acuse/testing'
import { Collector, uniqueName, wire } from '@acuse/testing/conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open, refusal } from './support.ts'

describe('RabbitMQ at several addresses', () => {
  let server: RabbitMq
  beforeAll(async () => {
    server = await startRabbitMq({ release: '4.0' })
  })
  afterAll(() => server[Symbol.asyncDispose]())

  const at = (port: number): string => Object.assign(new URL(server.url), { port: String(port) }).href

  it('is reached at the next when the first is not there, and at the first again when the next has gone', async () => {
    const target = { host: '127.0.0.1', port: server.port }
    await using first = await startFaultProxy(target)
    await using second = await startFaultProxy(target)
    first.set({ kind: 'refuse' })
    await using opened = await open([at(first.port), at(second.port)])
    const stream = uniqueName('stream')
    const got = new Collector()
    await opened.consume({ stream }, got)
    expect(first.connections).toBe(0)
    expect(second.connections).toBe(2)

    first.set({ kind: 'pass' })
    second.set({ kind: 'refuse' })
    second.reset()
    const message = wire('a1', { stream, key: 'a' })
    await eventually(async () => {
      const [result]: readonly (PublishResult | undefined)[] = await opened.transport.publish(
        [message],
        AbortSignal.timeout(5_000),
      )
      expect(result?.state).toBe('delivered')
    })
    await eventually(() => expect(got.labels()).toContain('a1'))
    expect(first.connections).toBe(2)
  })

  it('is unavailable when it is at none of them', async () => {
    const [one, two] = [await freePort(), await freePort()]
    const error = await refusal(open([at(one), at(two)]))
    expect(error).toMatchObject({ code: 'ACUSE_TRANSPORT_UNAVAILABLE' })
    expect(error.message).toContain(`rabbitmq 127.0.0.1:${two}`)
  })
})
