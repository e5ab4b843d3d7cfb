import { type Sink, type Source, type StartFrom, systemClock, type Transport } from '@acuse/core'
import { fromWhatIsKept } from '@acuse/transports'
import { expect, test } from 'vitest'

const sink: Sink = { deliver: () => undefined, revoke: async () => undefined }

/** Where a group that asks for the earliest message begins, on a transport with or without history. */
async function beginning(history: boolean): Promise<StartFrom | undefined> {
  const asked: Source[] = []
  let disposed = false
  const inner: Transport = {
    name: 'inner',
    identity: 'inner 1',
    capabilities: { ordered: true, priorities: true, history },
    publish: async (batch) => batch.map(() => ({ state: 'delivered' })),
    consume: async (source) => {
      asked.push(source)
      return { pause: () => undefined, resume: () => undefined, stop: async () => undefined }
    },
    [Symbol.asyncDispose]: async () => {
      disposed = true
    },
  }
  const context = { service: 'shop', instance: 'shop-1', clock: systemClock, onError: () => undefined }
  const transport = await fromWhatIsKept(async () => inner)(context)
  const source: Source = { group: 'shop', streams: [], types: 'all', from: 'earliest', prefetch: 10 }
  await transport.consume(source, sink)
  expect(asked).toEqual([{ ...source, from: history ? 'earliest' : 'now' }])
  expect(await transport.publish([], AbortSignal.timeout(1_000))).toEqual([])
  expect(transport).toMatchObject({ name: 'inner', identity: 'inner 1', capabilities: inner.capabilities })
  await transport[Symbol.asyncDispose]()
  expect(disposed).toBe(true)
  return asked[0]?.from
}

test('a group begins at the earliest message where there is history, and now where there is none', async () => {
  expect(await beginning(true)).toBe('earliest')
  expect(await beginning(false)).toBe('now')
})
