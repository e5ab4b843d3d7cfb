import { expect, test } from 'vitest'
import { AcuseError, KeyedPublishing, type PublishResult, type WireMessage } from '@acuse/core'

const delivered: PublishResult = { state: 'delivered' }

function message(id: string, key: string | null): WireMessage {
  return { id, type: 't', stream: 's', key, priority: 'normal', headers: {}, body: new Uint8Array() }
}

/** A broker that confirms when it is told to. */
class Broker {
  readonly sent: string[] = []
  readonly #waiting = new Map<string, (result: PublishResult) => void>()
  readonly publishing = new KeyedPublishing(
    ({ id }) =>
      new Promise((resolve) => {
        this.sent.push(id)
        this.#waiting.set(id, resolve)
      }),
  )

  async answer(id: string, result: PublishResult = delivered): Promise<void> {
    this.#waiting.get(id)?.(result)
    await settled()
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('keys go beside each other, and each key one message at a time', async () => {
  const broker = new Broker()
  const batch = [message('a1', 'a'), message('a2', 'a'), message('b1', 'b'), message('n1', null), message('n2', null)]
  const publishing = broker.publishing.publish(batch, new AbortController().signal)
  await settled()
  expect(broker.sent).toEqual(['a1', 'b1', 'n1', 'n2'])
  await broker.answer('a1')
  expect(broker.sent.at(-1)).toBe('a2')
  for (const id of ['a2', 'b1', 'n2', 'n1']) await broker.answer(id)
  expect(await publishing).toEqual(batch.map(() => delivered))
})

test('where one fails nothing later of its key is sent, and the others are', async () => {
  const broker = new Broker()
  const error = new AcuseError('ACUSE_MESSAGE_TOO_LARGE', 'too large')
  const batch = [message('a1', 'a'), message('a2', 'a'), message('b1', 'b')]
  const publishing = broker.publishing.publish(batch, new AbortController().signal)
  await settled()
  await broker.answer('a1', { state: 'failed', error })
  await broker.answer('b1')
  const [first, second, third] = await publishing
  expect(first).toEqual({ state: 'failed', error })
  expect(second?.state === 'failed' && second.error.retryable).toBe(true)
  expect(third).toEqual(delivered)
  expect(broker.sent).toEqual(['a1', 'b1'])
})

test('batches go beside each other, and a key waits for what earlier ones have of it', async () => {
  const broker = new Broker()
  const publish = (...batch: WireMessage[]): Promise<readonly PublishResult[]> =>
    broker.publishing.publish(batch, new AbortController().signal)
  const calls = [
    publish(message('a1', 'a'), message('a2', 'a')),
    publish(message('a3', 'a'), message('b1', 'b'), message('n1', null)),
    publish(message('a4', 'a'), message('n2', null)),
  ]
  await settled()
  expect(broker.sent).toEqual(['a1', 'b1', 'n1', 'n2'])
  for (const id of ['a1', 'b1', 'n1', 'n2', 'a2', 'a3', 'a4']) await broker.answer(id)
  expect(broker.sent.slice(4)).toEqual(['a2', 'a3', 'a4'])
  expect((await Promise.all(calls)).flat()).toEqual(Array.from({ length: 7 }, () => delivered))
})

test('a key that was not confirmed in time does not hold up its next batch', async () => {
  const broker = new Broker()
  const abort = new AbortController()
  const first = broker.publishing.publish([message('a1', 'a')], abort.signal)
  const second = broker.publishing.publish([message('a2', 'a')], new AbortController().signal)
  await settled()
  expect(broker.sent).toEqual(['a1'])
  abort.abort()
  expect(await first).toMatchObject([{ state: 'failed', error: { code: 'ACUSE_PUBLISH_TIMEOUT' } }])
  await settled()
  expect(broker.sent).toEqual(['a1', 'a2'])
  await broker.answer('a2')
  expect(await second).toEqual([delivered])
})

test('it settles when it is aborted, says what was not confirmed, and sends no more of it', async () => {
  const broker = new Broker()
  const abort = new AbortController()
  const publishing = broker.publishing.publish(
    [message('a1', 'a'), message('a2', 'a'), message('b1', 'b')],
    abort.signal,
  )
  await settled()
  await broker.answer('b1')
  abort.abort()
  const results = await publishing
  expect(results.map((result) => (result.state === 'failed' ? result.error.code : result.state))).toEqual([
    'ACUSE_PUBLISH_TIMEOUT',
    'ACUSE_PUBLISH_TIMEOUT',
    'delivered',
  ])
  await broker.answer('a1')
  expect(broker.sent, 'what was held back is sent by a later call').toEqual(['a1', 'b1'])
  const aborted = await broker.publishing.publish([message('a3', 'a')], AbortSignal.abort())
  expect(aborted[0]?.state).toBe('failed')
  expect(broker.sent).not.toContain('a3')
})

test('a send that throws is a failure that can be tried again', async () => {
  const publishing = new KeyedPublishing(() => Promise.reject(new Error('gone')))
  const [result] = await publishing.publish([message('a1', 'a')], new AbortController().signal)
  expect(result?.state === 'failed' && result.error.retryable).toBe(true)
})

test('so is one that throws at once, and what comes after it of its key is held back', async () => {
  const publishing = new KeyedPublishing(() => {
    throw new Error('gone')
  })
  const results = await publishing.publish([message('a1', 'a'), message('a2', 'a')], new AbortController().signal)
  expect(results.map((result) => result.state === 'failed' && result.error.retryable)).toEqual([true, true])
})
