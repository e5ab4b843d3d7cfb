import { transportSchemes } from '@acuse/transports'
import { expect, test } from 'vitest'

import { openTransport } from '../../src/transport/open-transport.ts'
import { TRANSPORT_NAMES, transportKind } from '../../src/transport/transports.ts'

test('what the marketplace can start, its services can use', () => {
  const schemes = TRANSPORT_NAMES.flatMap((name) => transportKind(name).schemes)
  expect([...new Set(schemes)]).toEqual(transportSchemes)
})

const createBus = async (): Promise<string> => 'postgres://acuse@127.0.0.1/bus'
const say = (text: string): void => {
  throw new Error(`it said "${text}", and there was nothing to do`)
}

test('PostgreSQL is a database beside the others', async () => {
  const opened = await openTransport({ transport: 'postgres', transportUrl: null, folder: '/no/such', createBus, say })
  expect(opened).toEqual({ url: 'postgres://acuse@127.0.0.1/bus', title: 'PostgreSQL', broker: null })
})

test('what runs already is taken as it is, and named without its password', async () => {
  const transportUrl = 'amqp://shop:secret@broker.example:5672/orders'
  const opened = await openTransport({ transport: 'rabbitmq', transportUrl, folder: '/no/such', createBus, say })
  expect(opened).toEqual({ url: transportUrl, title: 'RabbitMQ at broker.example:5672', broker: null })
})
