import { cloudEvents } from '@acuse/core'
import { expect, it } from 'vitest'

const attributes = { specversion: '1.0', id: 'e1', source: '/theirs', type: 'order.placed', partitionkey: 'A-1' }
const body = Buffer.from('{"orderId":"A-1"}')

it.each(['ce-', 'ce_', 'CE-', 'cloudEvents:', 'cloudEvents_'])(
  'an event whose attributes begin with %s is read',
  (prefix) => {
    const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`${prefix}${name}`, value]))
    expect(cloudEvents().decode({ headers, body })).toMatchObject({
      ...{ id: 'e1', source: '/theirs', type: 'order.placed', key: 'A-1', version: 1, data: { orderId: 'A-1' } },
    })
  },
)
