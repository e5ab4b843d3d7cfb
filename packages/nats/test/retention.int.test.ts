import { type Server, startNats } from '@acuse-proof/servers'
import type { Transport } from '@acuse/core'
import { eventually } from '@acuse/testing'
import type { StreamInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, consume, message, open, partitions, publish, sink, streamOf, uniqueName } from './support.ts'

const soon = { timeoutMs: 20_000 }
const count = 40

describe.each(['2.10', '2.15'] as const)('NATS %s, a stream', (release) => {
  let server: Server
  let client: NatsConnection
  beforeAll(async () => {
    server = await startNats({ release })
    client = await connect({ servers: server.url })
  })
  afterAll(async () => {
    await client.close()
    await server[Symbol.asyncDispose]()
  })

  /** Publishes to all partitions. */
  async function fill(transport: Transport, stream: string): Promise<readonly string[]> {
    const messages = Array.from({ length: count }, (_, index) => message(stream, `${index}`, { key: `key ${index}` }))
    await publish(transport, messages)
    return messages.map(({ body }) => String(body))
  }

  async function stateOf(stream: string): Promise<StreamInfo['state']> {
    return (await ask<StreamInfo>(client, `STREAM.INFO.${streamOf(stream)}`)).state
  }

  /** How often it was looked through for what may go: each look asks for the groups that have read it. */
  async function looks(stream: string, times: number): Promise<void> {
    let seen = 0
    const subscription = client.subscribe(`$JS.API.STREAM.INFO.${streamOf(stream)}`, {
      callback: () => void (seen += 1),
    })
    await eventually(() => expect(seen).toBeGreaterThanOrEqual(times), soon)
    subscription.unsubscribe()
  }

  it('is trimmed to its retention, and never what a group has not settled', async () => {
    const [stream, bucket] = [uniqueName('stream'), newBucket()]
    const streams = [{ name: stream, partitions }]
    const { transport, errors } = await open(server.url, { bucket, retentionMs: 0, trimEveryMs: 50 })
    const [holding, other] = [sink(false), sink()]
    await consume(transport, holding, { group: 'holding', streams })
    await consume(transport, other, { group: 'other', streams })
    const labels = await fill(transport, stream)
    for (const got of [holding, other]) {
      await eventually(() => expect(got.labels().toSorted()).toEqual(labels.toSorted()), soon)
    }
    await looks(stream, 5)
    expect((await stateOf(stream)).messages).toBe(count)
    for (const delivery of holding.deliveries) delivery.ack()
    // A partition that has nothing more to read gets on with the server's next heartbeats.
    await eventually(async () => expect((await stateOf(stream)).messages).toBeLessThan(count), soon)
    expect(errors).toEqual([])
  })

  it.each(['was stopped', 'has only begun to start'])(
    'is not trimmed of what a group that %s has not read',
    async (how) => {
      const [stream, bucket] = [uniqueName('stream'), newBucket()]
      const streams = [{ name: stream, partitions: 1 }]
      const { transport, errors } = await open(server.url, { bucket, retentionMs: 0, trimEveryMs: 50 })
      const got = sink()
      await consume(transport, got, { group: 'here', streams })
      if (how === 'was stopped') await (await consume(transport, sink(), { group: 'away', streams })).stop(5_000)
      else {
        const { created } = await ask<StreamInfo>(client, `STREAM.INFO.${streamOf(stream)}`)
        const key = `$KV.${bucket}.start.away.${stream.replaceAll('.', '=')}`
        await client.request(key, JSON.stringify({ created, last: 0 }))
      }
      await publish(transport, [message(stream, '1', { partitions: 1 })])
      await eventually(() => expect(got.labels()).toEqual(['1']), soon)
      await looks(stream, 5)
      expect((await stateOf(stream)).messages).toBe(1)
      const back = sink()
      await consume(transport, back, { group: 'away', streams })
      await eventually(() => expect(back.labels()).toEqual(['1']), soon)
      await eventually(async () => expect((await stateOf(stream)).messages).toBe(0), soon)
      expect(errors).toEqual([])
    },
  )

  it('that a group reads again after it was trimmed has lost nothing of that group', async () => {
    const stream = uniqueName('stream')
    const bucket = newBucket()
    const streams = [{ name: stream, partitions: 1 }]
    const { transport, errors } = await open(server.url, { bucket, retentionMs: 0, trimEveryMs: 50 })
    const first = sink()
    const reading = await consume(transport, first, { group: 'readers', streams })
    await publish(transport, [message(stream, '1', { partitions: 1 }), message(stream, '2', { partitions: 1 })])
    await eventually(async () => expect((await stateOf(stream)).messages).toBe(0), soon)
    await reading.stop(5_000)
    await publish(transport, [message(stream, '3', { partitions: 1 })])
    await looks(stream, 5)
    const second = sink()
    await consume(transport, second, { group: 'readers', streams })
    await eventually(() => expect(second.labels()).toEqual(['3']), soon)
    expect(errors).toEqual([])
  })

  it('keeps what is younger than its retention', async () => {
    const [stream, retentionMs] = [uniqueName('stream'), 2_000]
    const streams = [{ name: stream, partitions: 1 }]
    const { transport } = await open(server.url, { bucket: newBucket(), retentionMs, trimEveryMs: 20 })
    await consume(transport, sink(), { streams })
    const publishedAt = performance.now()
    await publish(transport, [message(stream, '1', { partitions: 1 })])
    await eventually(async () => expect((await stateOf(stream)).messages).toBe(0), soon)
    expect(performance.now() - publishedAt).toBeGreaterThan(retentionMs)
  })

  it('is left alone as long as the bucket of places is younger than the retention, as it may not know all groups', async () => {
    const stream = uniqueName('stream')
    const streams = [{ name: stream, partitions: 1 }]
    const bucket = newBucket()
    const asked: string[] = []
    const listening = client.subscribe('$JS.API.STREAM.>', { callback: (_, { subject }) => void asked.push(subject) })
    const { transport } = await open(server.url, { bucket, retentionMs: 3_600_000, trimEveryMs: 20 })
    await consume(transport, sink(), { streams })
    const looked = (): number => asked.filter((subject) => subject === `$JS.API.STREAM.INFO.KV_${bucket}`).length
    await eventually(() => expect(looked()).toBeGreaterThan(5), soon)
    listening.unsubscribe()
    expect(asked.filter((subject) => subject.includes(stream.replaceAll('.', '=')))).not.toContainEqual(
      expect.stringMatching(/STREAM\.(INFO|PURGE)/),
    )
  })

  function newBucket(): string {
    return uniqueName('bucket').replaceAll('.', '-')
  }
})
