import { type Server, startNats } from '@acuse-proof/servers'
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { eventually } from '@acuse/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nats, type UnsafeSetting } from '@acuse/nats'
import { ask, consume, editStream, message, open, partitions, publish, sink, streamOf, uniqueName } from './support.ts'

let server: Server
/** From 2.12 a stream can be asked to confirm before it writes. */
let newest: Server
beforeAll(async () => {
  ;[server, newest] = await Promise.all([startNats({ release: '2.10' }), startNats({ release: '2.15' })])
})
afterAll(() => Promise.all([server[Symbol.asyncDispose](), newest[Symbol.asyncDispose]()]))

/** Makes a stream as somebody else has, with settings of their own. */
async function make(settings: Partial<StreamConfig>, on: Server = server): Promise<string> {
  const stream = uniqueName('stream')
  const name = streamOf(stream)
  await onServer(on, (client) =>
    ask(client, `STREAM.CREATE.${name}`, {
      name,
      subjects: [`acuse.${stream.replaceAll('.', '=')}.>`],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      metadata: { 'acuse-partitions': String(partitions) },
      discard: DiscardPolicy.New,
      num_replicas: 1,
      ...settings,
    }),
  )
  return stream
}

async function onServer<R>(on: Server, use: (client: NatsConnection) => Promise<R>): Promise<R> {
  const client = await connect({ servers: on.url })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

async function reading(stream: string, allowUnsafe: readonly UnsafeSetting[] = [], on: Server = server): Promise<void> {
  const { transport } = await open(on.url, { allowUnsafe })
  await consume(transport, sink(), { streams: [{ name: stream, partitions }] })
}

const unsafe = (text: RegExp): object =>
  expect.objectContaining({ code: 'ACUSE_UNSAFE_SETTING', message: expect.stringMatching(text) })

interface Row {
  readonly setting: UnsafeSetting
  readonly settings: Partial<StreamConfig>
  readonly says: RegExp
}

const rows: readonly Row[] = [
  {
    setting: 'storage',
    settings: { storage: StorageType.Memory },
    says: /storage memory: all of it is gone when the server restarts\. Mend it with: .*nats stream rm acuse-/,
  },
  {
    setting: 'retention',
    settings: { retention: RetentionPolicy.Interest },
    says: /retention interest: messages go when they were handed out/,
  },
  {
    setting: 'discard',
    settings: { discard: DiscardPolicy.Old, max_msgs: 1_000 },
    says: /discard old: a full stream throws away messages nobody has read\. Mend it with: nats stream edit .* --discard new/,
  },
  {
    setting: 'max_age',
    settings: { max_age: 3_600e9 },
    says: /max_age 3600 s: messages go whether or not they were read\. Mend it with: nats stream edit .* --max-age 0/,
  },
  {
    setting: 'max_msgs_per_subject',
    settings: { max_msgs_per_subject: 5 },
    says: /max_msgs_per_subject 5: .* --max-msgs-per-subject=-1/,
  },
  { setting: 'no_ack', settings: { no_ack: true }, says: /no_ack: nothing it takes is ever confirmed.* --ack/ },
]

describe('a stream that would lose messages is refused', () => {
  for (const { setting, settings, says } of rows) {
    it(`by its ${setting}, unless that is accepted by name`, async () => {
      const stream = await make(settings)
      await expect(reading(stream)).rejects.toEqual(unsafe(says))
      await expect(reading(stream)).rejects.toThrow(`allowUnsafe: ['${setting}']`)
      await reading(stream, [setting])
    })
  }

  it('by its persist_mode, unless that is accepted by name', async () => {
    const stream = await make({ persist_mode: 'async' }, newest)
    await expect(reading(stream, [], newest)).rejects.toEqual(
      unsafe(/persist_mode async: it confirms what it has not written yet/),
    )
    await reading(stream, ['persist_mode'], newest)
  })

  it('by its replicas where the server is in no cluster, unless that is accepted by name', async () => {
    await expect(open(server.url, { replicas: 3 })).rejects.toEqual(
      unsafe(/3 replicas are asked for, and the server is in no cluster: .* Mend it with: a cluster of 3 servers/),
    )
    const { transport } = await open(server.url, { replicas: 3, allowUnsafe: ['replicas'] })
    expect(await publish(transport, [message(uniqueName('stream'), '1')])).toEqual(['delivered'])
  })

  it('with everything that is wrong, when it is published to', async () => {
    const stream = await make({ storage: StorageType.Memory, max_age: 60e9 })
    const { transport } = await open(server.url)
    const [result] = await transport.publish([message(stream, '1')], AbortSignal.timeout(10_000))
    expect(result).toEqual({ state: 'failed', error: unsafe(/storage memory[^]*max_age 60 s/) })
  })

  it('by the settings of the bucket of places', async () => {
    await onServer(server, (client) =>
      ask(client, 'STREAM.CREATE.KV_short', {
        name: 'KV_short',
        subjects: ['$KV.short.>'],
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        max_msgs_per_subject: 1,
        discard: DiscardPolicy.New,
        num_replicas: 1,
        max_age: 60e9,
      }),
    )
    await expect(open(server.url, { bucket: 'short' })).rejects.toEqual(unsafe(/KV_short has max_age 60 s/))
  })

  it('while it is read, when its settings are changed', async () => {
    const stream = uniqueName('stream')
    const { transport, errors } = await open(server.url)
    await consume(transport, sink(), { streams: [{ name: stream, partitions }] })
    await onServer(server, (client) => editStream(client, streamOf(stream), { max_age: 60e9, duplicate_window: 60e9 }))
    await eventually(() => expect(errors).toContainEqual(unsafe(/max_age 60 s/)))
  })
})

describe('a stream that is there with something else than was declared is refused', () => {
  it('with both numbers where its partitions are others, read or published to', async () => {
    const stream = uniqueName('stream')
    const { transport } = await open(server.url)
    expect(await publish(transport, [message(stream, '1')])).toEqual(['delivered'])
    const expected = expect.objectContaining({
      code: 'ACUSE_STREAM_MISMATCH',
      message: expect.stringMatching(/is declared with 7 partitions here, but with 4 on the server/),
    })
    await expect(consume(transport, sink(), { streams: [{ name: stream, partitions: 7 }] })).rejects.toEqual(expected)
    const [result] = await transport.publish([message(stream, '2', { partitions: 7 })], AbortSignal.timeout(10_000))
    expect(result).toEqual({ state: 'failed', error: expected })
  })

  it('with the command that says it, where it does not say how many partitions it has', async () => {
    const stream = await make({ metadata: {} })
    await expect(reading(stream)).rejects.toThrow(/nats stream edit acuse-.* --metadata acuse-partitions=4/)
  })

  it('where it does not take the subjects', async () => {
    const stream = await make({ subjects: [uniqueName('elsewhere')] })
    await expect(reading(stream)).rejects.toThrow(/does not take acuse\..*\.>\. Mend it with: nats stream edit/)
  })
})

it('a server without JetStream, or too old, is refused', async () => {
  await using old = await startNats({ release: '2.9' })
  await expect(open(old.url)).rejects.toThrow(/the server is NATS 2\.9\.\d+; 2\.10 or newer is needed/)
})

it('an address or a bucket that cannot be one is refused at once', async () => {
  await expect(open('http://127.0.0.1:4222')).rejects.toThrow(/begins with http:\/\/; it must be nats:\/\/ or tls:\/\//)
  await expect(open('no address')).rejects.toThrow(/the address is no URL/)
  expect(() => nats(server.url, { bucket: 'a.b' })).toThrow(/may hold letters, digits/)
  expect(() => nats(server.url, { leaseMs: 10 })).toThrow(/leaseMs must be a finite number of at least 1000/)
})
