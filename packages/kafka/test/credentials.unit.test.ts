import { type ForeignSource, type ForeignTarget, plainEnvelope, systemClock, type TransportContext } from '@acuse/core'
import { kafka, kafkaForwardTopic, type KafkaOptions, kafkaTopic } from '@acuse/kafka'
import { expect, it } from 'vitest'

const context: TransportContext = {
  ...{ service: 'shop', instance: 'one', clock: systemClock },
  onError: () => undefined,
}
const credentials = (): never => {
  throw new Error('the vault is sealed')
}
const sealed = { code: 'ACUSE_TRANSPORT_UNAVAILABLE', message: expect.stringContaining('the vault is sealed') }

const brokers = '127.0.0.1:1'
const sasl = { mechanism: 'SCRAM-SHA-512' } as const
const places: readonly (ForeignSource | ForeignTarget)[] = [
  kafkaTopic(brokers, 'theirs', { declare: 'never', sasl, credentials }),
  kafkaForwardTopic(brokers, 'theirs', { codec: plainEnvelope(), sasl, credentials }),
]

it.each(places)('$name is opened with credentials that are asked for', async (place) => {
  await expect(place.open(context)).rejects.toMatchObject(sealed)
})

it.each<[what: string, options: KafkaOptions]>([
  ['credentials beside those of sasl', { sasl: { ...sasl, username: 'shop', password: 'word' }, credentials }],
  ['credentials without a mechanism', { credentials }],
  ['a mechanism without credentials', { sasl }],
])('%s are refused', async (_what, options) => {
  await expect(kafka(brokers, options)(context)).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
})
