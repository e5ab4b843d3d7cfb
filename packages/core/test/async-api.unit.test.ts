import { asyncApi, stream } from '@acuse/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Placed } from './setting.ts'

const orders = stream('orders')
const Shipped = orders.message('order.shipped', {
  version: 2,
  schema: z.object({ orderId: z.uuid(), weightKg: z.number().positive() }),
  key: ({ orderId }) => orderId,
  upcasters: { 1: (data) => data },
})

describe('the catalogue', () => {
  it('describes streams, types, versions and what travels', () => {
    const document = asyncApi({ title: 'Shop', version: '1.0.0' }, [Shipped])
    expect(document).toMatchObject({
      asyncapi: '3.0.0',
      info: { title: 'Shop', version: '1.0.0' },
      channels: {
        orders: { address: 'orders', messages: { 'order.shipped': { $ref: '#/components/messages/order.shipped' } } },
      },
      operations: { 'read.orders': { action: 'receive', channel: { $ref: '#/channels/orders' } } },
      components: {
        messages: {
          'order.shipped': {
            'x-version': 2,
            'x-keyed': true,
            headers: { properties: { 'ce-typeversion': { const: '2' } } },
            payload: { type: 'object', required: ['orderId', 'weightKg'], properties: { orderId: { format: 'uuid' } } },
          },
        },
      },
    })
  })

  it('names a schema library that cannot describe itself', () => {
    expect(() => asyncApi({ title: 'Shop', version: '1' }, [Placed])).toThrow(
      /order.placed: its schema library \(test\)/,
    )
  })
})
