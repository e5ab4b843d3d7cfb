import { type ForeignSource, type ForeignTarget, plainEnvelope, systemClock, type TransportContext } from '@acuse/core'
import { rabbitmq, rabbitmqExchange, rabbitmqQueue } from '@acuse/rabbitmq'
import { expect, it } from 'vitest'

const context: TransportContext = {
  ...{ service: 'shop', instance: 'one', clock: systemClock },
  onError: () => undefined,
}
const credentials = (): never => {
  throw new Error('the vault is sealed')
}
const sealed = { code: 'ACUSE_TRANSPORT_UNAVAILABLE', message: expect.stringContaining('the vault is sealed') }

const url = 'amqp://127.0.0.1:1'
const places: readonly (ForeignSource | ForeignTarget)[] = [
  rabbitmqQueue(url, 'theirs', { declare: 'never', acceptRisks: ['loss'], credentials }),
  rabbitmqExchange(url, 'theirs', { codec: plainEnvelope(), credentials }),
]

it.each(places)('$name is opened with credentials that are asked for', async (place) => {
  await expect(place.open(context)).rejects.toMatchObject(sealed)
})

it('credentials beside those of an address are refused', async () => {
  const opening = rabbitmq(['amqp://127.0.0.1:1', 'amqp://shop:word@127.0.0.1:1'], { credentials })(context)
  await expect(opening).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
})
