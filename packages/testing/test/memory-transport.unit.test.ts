import { AcuseError, type Delivery, type Sink, type Source, type Transport } from '@acuse/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { Collector } from '../src/conformance/collector.ts'
import { labelOf, series, wire } from '../src/conformance/messages.ts'
import { createVirtualClock, memoryTransport, type MemoryTransportFactory, type VirtualClock } from '../src/index.ts'
import { contextOf } from './memory-harness.ts'

const source: Source = { group: 'g', streams: [{ name: 's', partitions: 2 }], types: 'all', from: 'now', prefetch: 10 }
const never = new AbortController().signal

let clock: VirtualClock
let broker: MemoryTransportFactory
let transport: Transport

beforeEach(async () => {
  clock = createVirtualClock()
  broker = memoryTransport()
  transport = await broker(contextOf('one', clock))
})

describe('faults of publishing', () => {
  it('refuse what matches until they are lifted', async () => {
    const refusal = new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'no route')
    const lift = broker.failPublish(({ type }) => type === 'case.bad', refusal)
    const bad = wire('bad', { stream: 's', type: 'case.bad' })
    expect(await transport.publish([bad, wire('good', { stream: 's' })], never)).toEqual([
      { state: 'failed', error: refusal },
      { state: 'delivered' },
    ])
    lift()
    expect(await transport.publish([bad], never)).toEqual([{ state: 'delivered' }])
    expect(broker.published().map(labelOf)).toEqual(['good', 'bad'])
  })

  it('leave what stalls unconfirmed until the publish is aborted', async () => {
    const lift = broker.stallPublish(({ key }) => key === 'a')
    const abort = new AbortController()
    let settled = false
    const publishing = transport
      .publish([...series(2, { stream: 's', key: 'a' }), wire('b1', { stream: 's', key: 'b' })], abort.signal)
      .finally(() => (settled = true))
    await clock.advance({ minutes: 1 })
    expect(settled).toBe(false)
    abort.abort()
    const results = await publishing
    expect(results.map(({ state }) => state)).toEqual(['failed', 'failed', 'delivered'])
    expect(results[0]).toMatchObject({ error: { retryable: true } })
    lift()
    expect(await transport.publish([wire('a1', { stream: 's', key: 'a' })], never)).toEqual([{ state: 'delivered' }])
  })
})

describe('a subscription', () => {
  it('whose owner crashed gets nothing more, and its partitions go to the others', async () => {
    const [one, two] = [new Collector(), new Collector()]
    one.onDelivery = () => undefined
    const dying = await transport.consume(source, one)
    await transport.publish(series(3, { stream: 's', key: 'a' }), never)
    await clock.settle()
    expect(one.labels()).toEqual(['a1', 'a2', 'a3'])
    broker.crash(dying)
    await transport.consume(source, two)
    await transport.publish([wire('a4', { stream: 's', key: 'a' })], never)
    await clock.settle()
    expect(two.deliveries.map((delivery) => [labelOf(delivery.message), delivery.redelivered])).toEqual([
      ['a1', true],
      ['a2', true],
      ['a3', true],
      ['a4', false],
    ])
    expect(one.labels()).toHaveLength(3)
  })

  it('that does not answer a revoke for 30 seconds loses the partition as if it had crashed', async () => {
    const stuck = new Collector()
    stuck.onDelivery = () => undefined
    stuck.onRevoke = () => new Promise(() => undefined)
    await transport.consume(source, stuck)
    const messages = ['a', 'b', 'c', 'd'].map((key) => wire(`${key}1`, { stream: 's', key }))
    await transport.publish(messages, never)
    await clock.settle()
    const next = new Collector()
    await transport.consume(source, next)
    await clock.advance({ seconds: 29 })
    expect(next.labels()).toEqual([])
    await clock.advance({ seconds: 2 })
    expect(next.deliveries.length).toBeGreaterThan(0)
    expect(next.deliveries.every(({ redelivered }) => redelivered)).toBe(true)
  })

  it('refuses another number of partitions, and a prefetch of nothing', async () => {
    await transport.consume(source, new Collector())
    await expect(
      transport.consume({ ...source, streams: [{ name: 's', partitions: 3 }] }, new Collector()),
    ).rejects.toMatchObject({ code: 'ACUSE_STREAM_MISMATCH' })
    await expect(transport.consume({ ...source, prefetch: 0 }, new Collector())).rejects.toMatchObject({
      code: 'ACUSE_CONFIGURATION',
    })
  })

  it('reports a sink that throws, and goes on', async () => {
    const errors: AcuseError[] = []
    const listening = await broker({ ...contextOf('two', clock), onError: (error) => errors.push(error) })
    const got: string[] = []
    const sink: Sink = {
      deliver(deliveries: readonly Delivery[]) {
        got.push(...deliveries.map(({ message }) => labelOf(message)))
        throw new TypeError('broken sink')
      },
      revoke: async () => undefined,
    }
    await listening.consume(source, sink)
    await transport.publish([wire('a1', { stream: 's', key: 'a' })], never)
    await clock.settle()
    await transport.publish([wire('a2', { stream: 's', key: 'a' })], never)
    await clock.settle()
    expect(got).toEqual(['a1', 'a2'])
    expect(errors).toHaveLength(2)
  })
})

describe('a crashed instance', () => {
  it('can neither publish nor consume any more', async () => {
    broker.crash('one')
    await expect(transport.publish([wire('a1', { stream: 's' })], never)).rejects.toMatchObject({
      code: 'ACUSE_TRANSPORT_UNAVAILABLE',
    })
    await expect(transport.consume(source, new Collector())).rejects.toMatchObject({
      code: 'ACUSE_TRANSPORT_UNAVAILABLE',
    })
  })
})
