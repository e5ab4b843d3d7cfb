import { type Codec, type OutgoingMessage, type PublishOptions, stream, type WireMessage } from '@acuse/core'
import { createVirtualClock, testBus } from '@acuse/testing'
import { z } from 'zod'

/** The dot in its name is what brokers mind most. */
const orders = stream('shop.orders', { partitions: 4 })
const anything = z.unknown()
const keyOf = (data: unknown): string => z.object({ orderId: z.string() }).parse(data).orderId

const Placed = orders.message('order.placed', { schema: anything, key: keyOf })
const Changed = orders.message('order.changed', { schema: anything, key: keyOf, version: 3 })
const Urgent = orders.message('order.urgent', { schema: anything, key: keyOf, priority: 'high' })
const Notice = orders.message('prices.changed', { schema: anything })

const publishedAt = new Date('2026-11-01T12:34:56.789Z')

interface Sample {
  readonly message: OutgoingMessage
  readonly options?: PublishOptions
}

/** By the name that its vectors have. Each has an id of its own, so that what a broker holds can be told apart. */
const samples: Readonly<Record<string, Sample>> = {
  keyed: { message: Placed({ orderId: 'A-1', lines: [{ sku: 'tea', quantity: 2 }], total: 12.5 }) },
  unkeyed: { message: Notice({ list: 'spring' }) },
  emptyObject: { message: Notice({}) },
  noData: { message: Notice(null) },
  priorityOfItsType: { message: Urgent({ orderId: 'A-2' }) },
  priorityOfItsOwn: { message: Notice({ list: 'now' }), options: { priority: 'critical' } },
  version: { message: Changed({ orderId: 'A-1', to: 'paid' }) },
  later: { message: Placed({ orderId: 'A-3' }), options: { deliverAt: new Date('2026-11-02T00:00:00Z') } },
  tenant: { message: Placed({ orderId: 'A-1' }), options: { tenant: 'acme/eu' } },
  context: {
    message: Placed({ orderId: 'A-4' }),
    options: {
      ...{ correlationId: 'flow-1', user: 'u-7', country: 'MX' },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'vendor=1,other=2',
    },
  },
  unicode: {
    message: Placed({ orderId: 'ключ-ñ-日本', note: 'naïve “quotes” \u2028 \\ / 🫖', large: 1e21 }),
    options: { user: 'Zoë 🫖', country: '100% ' },
  },
  longId: { message: Notice({ list: 'long' }), options: { id: 'é'.repeat(150) } },
}

/** What the handler of `keyed` publishes. */
const caused = 'caused'

const idOf = (name: string): string => samples[name]?.options?.id ?? `id-of-${name}`

/** The messages as a service publishes them, with what a codec makes of each, by the names of the samples. */
export async function sampleMessages(codec: Codec): Promise<ReadonlyMap<string, WireMessage>> {
  const ids = new Map<string, string>()
  await using service = await testBus({
    ...{ service: 'shop', codec, clock: createVirtualClock(publishedAt) },
    declare: (bus) =>
      bus.group().on(Placed, ({ id }, { publish }) => {
        if (id === idOf('keyed')) publish(Changed({ orderId: 'A-1', to: 'packed' }), { id: idOf(caused) })
      }),
  })
  for (const [name, { message, options }] of Object.entries(samples)) {
    const { id } = await service.bus.publishNow(message, { ...options, id: idOf(name) })
    ids.set(name, id)
  }
  ids.set(caused, idOf(caused))
  await service.advance({ days: 1 })
  const published = service.database.appended()
  return new Map(
    [...ids].map(([name, id]) => {
      const message = published.find((one) => one.id === id)
      if (message === undefined) throw new Error(`The sample ${name} was not published.`)
      return [name, message]
    }),
  )
}
