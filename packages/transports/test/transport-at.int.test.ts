import { messageOf, systemClock, type TransportContext } from '@acuse/core'
import { transportAt } from '@acuse/transports'
import { expect, test } from 'vitest'

const context: TransportContext = {
  service: 'shop',
  instance: 'shop-1',
  clock: systemClock,
  onError: () => undefined,
}

test.each([
  ['postgres://user:secret@127.0.0.1:1/bus', /127\.0\.0\.1/],
  ['amqp://user:secret@127.0.0.1:1', /^rabbitmq 127\.0\.0\.1:1: /],
])('%s is opened by its own client', async (url, says) => {
  const error: unknown = await transportAt(url)(context).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'ACUSE_TRANSPORT_UNAVAILABLE', retryable: true })
  expect(messageOf(error)).toMatch(says)
  expect(messageOf(error)).not.toContain('secret')
})
