import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { eventually } from '@acuse/testing'
import { Collector, uniqueName, wire } from '@acuse/testing/conformance'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { open } from './support.ts'

const prefetch = 100
const published = 600

let server: RabbitMq

beforeAll(async () => {
  server = await startRabbitMq({ release: '4.0' })
})
afterAll(() => server[Symbol.asyncDispose]())

it('what the server sends for the last acks of an owner that stops is not in doubt for the next one', async () => {
  const [stream, group] = [uniqueName('stream'), uniqueName('group')]
  await using opened = await open(server.url)
  const first = new Collector()
  first.onDelivery = () => undefined
  const subscription = await opened.consume({ stream, group, prefetch }, first)
  const messages = Array.from({ length: published }, (_, n) => wire(`a${n}`, { stream, key: `k${n % 50}` }))
  const results = await opened.transport.publish(messages, AbortSignal.timeout(20_000))
  expect(results.every(({ state }) => state === 'delivered')).toBe(true)
  await eventually(() => expect(first.held.size).toBe(prefetch))
  subscription.pause()
  first.ackAll()
  await subscription.stop(5_000)

  const next = new Collector()
  await opened.consume({ stream, group, prefetch }, next)
  await eventually(() => expect(next.deliveries).toHaveLength(published - prefetch))
  expect(next.deliveries.filter(({ redelivered }) => redelivered)).toEqual([])
})
