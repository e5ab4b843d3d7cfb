import { transportAt, transportSchemes } from '@acuse/transports'
import { expect, test } from 'vitest'

test('an address says the transport, and nothing is opened before the bus starts', () => {
  expect(transportSchemes).toEqual([
    ...['postgres', 'postgresql', 'amqp', 'amqps', 'kafka', 'nats', 'tls', 'redis', 'rediss'],
  ])
  for (const scheme of transportSchemes)
    expect(transportAt(`${scheme}://user:secret@127.0.0.1:1/name`)).toBeTypeOf('function')
  expect(transportAt('AMQP://127.0.0.1:1')).toBeTypeOf('function')
})

test.each([
  ['mqtt://user:secret@host', 'mqtt://… is no transport; it must begin with one of postgres://,'],
  ['secret@host:5672', 'The address of the transport has no scheme; it must begin with one of'],
  ['', 'The address of the transport has no scheme; it must begin with one of'],
])('%j is refused in words without a secret', (url, message) => {
  expect(() => transportAt(url)).toThrow(message)
  expect(() => transportAt(url)).not.toThrow(/secret/)
  expect(() => transportAt(url)).toThrow(expect.objectContaining({ code: 'ACUSE_CONFIGURATION' }))
})
