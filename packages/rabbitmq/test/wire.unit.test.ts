import { partitionHash, type WireMessage } from '@acuse/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { deliveryCountOf, propertiesOf, wireMessageOf } from '../src/wire.ts'

type Came = Parameters<typeof wireMessageOf>[0]

/** As the broker hands it over. */
function came(message: WireMessage, more: Record<string, unknown> = {}): Came {
  const { headers, messageId, contentType } = propertiesOf(message)
  const properties = { headers: { ...headers, ...more }, messageId, contentType } as Came['properties']
  const fields = { exchange: message.stream, routingKey: message.type } as Came['fields']
  return { fields, properties, content: Buffer.from(message.body) }
}

const message = fc.record({
  id: fc.string({ minLength: 1, maxLength: 300 }),
  type: fc.constant('order.placed'),
  stream: fc.constant('orders'),
  partitions: fc.integer({ min: 1, max: 256 }),
  key: fc.option(fc.string({ minLength: 1 })),
  priority: fc.constantFrom('normal' as const, 'high' as const, 'critical' as const),
  headers: fc.dictionary(fc.stringMatching(/^ce-[a-z]{1,20}$/), fc.string({ maxLength: 300 })),
  body: fc.uint8Array(),
})

it('a message comes out as it went in, whatever is in it', () => {
  fc.assert(
    fc.property(message, fc.option(fc.string({ maxLength: 300 })), (sent, contentType) => {
      const headers = contentType === null ? sent.headers : { ...sent.headers, 'content-type': contentType }
      const { id, type, stream, key, priority, headers: got, body } = wireMessageOf(came({ ...sent, headers }))
      expect({ id, type, stream, key, priority }).toEqual({
        id: sent.id,
        type: sent.type,
        stream: sent.stream,
        key: sent.key,
        priority: sent.priority,
      })
      expect(got).toEqual(headers)
      expect(Buffer.from(body)).toEqual(Buffer.from(sent.body))
    }),
  )
})

it('is durable, must be routed, and says its partition', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const properties = propertiesOf(sent)
      expect(properties).toMatchObject({ persistent: true, mandatory: true })
      expect(properties.headers['acuse-partition']).toBe(partitionHash(sent) % sent.partitions)
    }),
  )
})

it('the broker’s count of deliveries is no header of the message', () => {
  const [sent] = fc.sample(message, 1)
  if (sent === undefined) throw new Error('no sample')
  expect(deliveryCountOf(came(sent))).toBe(0)
  const again = came(sent, { 'x-delivery-count': 3 })
  expect(deliveryCountOf(again)).toBe(3)
  expect(wireMessageOf(again).headers).toEqual(sent.headers)
})
