import { type ForeignSource, type ForeignTarget, plainEnvelope, systemClock, type TransportContext } from '@acuse/core'
import { redis, redisChannel, redisForwardStream, redisStream } from '@acuse/redis'
import { expect, it } from 'vitest'

const context: TransportContext = {
  ...{ service: 'shop', instance: 'one', clock: systemClock },
  onError: () => undefined,
}
const credentials = (): never => {
  throw new Error('the vault is sealed')
}
const sealed = { code: 'ACUSE_TRANSPORT_UNAVAILABLE', message: expect.stringContaining('the vault is sealed') }

const url = 'redis://127.0.0.1:1'
const places: readonly (ForeignSource | ForeignTarget)[] = [
  redisStream(url, 'theirs', 'group', { declare: 'never', acceptRisks: ['order'], credentials }),
  redisForwardStream(url, 'theirs', { codec: plainEnvelope(), credentials }),
]

it.each(places)('$name is opened with credentials that are asked for', async (place) => {
  await expect(place.open(context)).rejects.toMatchObject(sealed)
})

it('a channel in real time is opened with credentials that are asked for', async () => {
  await expect(redisChannel(url, { credentials })).rejects.toMatchObject(sealed)
})

it('credentials beside those of the address are refused', async () => {
  const opening = redis('redis://:word@127.0.0.1:1', { credentials })(context)
  await expect(opening).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
})
