import { type ForeignSource, type ForeignTarget, plainEnvelope, systemClock, type TransportContext } from '@acuse/core'
import { nats, natsConsumer, natsForwardSubject } from '@acuse/nats'
import { expect, it } from 'vitest'

const context: TransportContext = {
  ...{ service: 'shop', instance: 'one', clock: systemClock },
  onError: () => undefined,
}
const credentials = (): never => {
  throw new Error('the vault is sealed')
}
const sealed = { code: 'ACUSE_TRANSPORT_UNAVAILABLE', message: expect.stringContaining('the vault is sealed') }

const url = 'nats://127.0.0.1:1'
const places: readonly (ForeignSource | ForeignTarget)[] = [
  natsConsumer(url, 'theirs', 'reader', { declare: 'never', credentials }),
  natsForwardSubject(url, 'theirs', { codec: plainEnvelope(), credentials }),
]

it.each(places)('$name is opened with credentials that are asked for', async (place) => {
  await expect(place.open(context)).rejects.toMatchObject(sealed)
})

it.each([
  ['those of the address', 'nats://shop:word@127.0.0.1:1', {}],
  ['an authenticator', url, { authenticator: () => ({ auth_token: 'word' }) }],
])('credentials beside %s are refused', async (_what, address, options) => {
  const opening = nats(address, { credentials, ...options })(context)
  await expect(opening).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
})
