import { AcuseError } from './errors.ts'
import type { Encoder, ForeignMessage } from './foreign.ts'
import type { ForeignMapping } from './foreign-reading.ts'
import { decodeJson, encodeJson } from './json.ts'

/**
 * Events of `@nestjs/microservices` as its RabbitMQ, Kafka, NATS and Redis clients send them: `{ pattern, data }`. To consume them,
 * spread it into a mapping and say where the id is; to publish them, give it as the codec. The pattern is the type's name.
 */
export const nestEvents: Encoder & Required<Pick<ForeignMapping, 'type' | 'decode'>> = {
  name: 'nest',
  encode: ({ type, id, data }) => ({
    headers: { 'content-type': 'application/json' },
    body: encodeJson({ pattern: type, data }, `message ${type} ${id}`),
  }),
  type: (message) => {
    const { pattern } = packetOf(message)
    if (typeof pattern === 'string') return pattern
    throw new AcuseError('ACUSE_UNDECODABLE', `The packet has pattern ${JSON.stringify(pattern)}, which is no text.`)
  },
  decode: (message) => packetOf(message)['data'] ?? null,
}

function packetOf({ body }: ForeignMessage): Readonly<Record<string, unknown>> {
  const packet = decodeJson(body, 'the packet')
  if (typeof packet === 'object' && packet !== null && !Array.isArray(packet)) return { ...packet }
  throw new AcuseError('ACUSE_UNDECODABLE', 'The packet is not an object with pattern and data.')
}
