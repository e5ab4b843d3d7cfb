import type { Codec, Encoded } from './codec.ts'
import { AcuseError } from './errors.ts'
import { decodeJson, encodeJson } from './json.ts'
import type { Envelope } from './message.ts'

/**
 * The plain event contract: `{ eventType, eventId, timestamp, version: "1.0", data, metadata: { service, correlationId, … } }`,
 * for readers and writers that know nothing of CloudEvents. The version's first number is the type's version.
 */
export function plainEnvelope(): Codec {
  return { name: 'plain', encode, decode }
}

function encode(envelope: Envelope): Encoded {
  const document = {
    eventType: envelope.type,
    eventId: envelope.id,
    timestamp: envelope.time.toISOString(),
    version: `${envelope.version}.0`,
    ...(envelope.key === null ? {} : { aggregateId: envelope.key }),
    data: envelope.data,
    metadata: withoutNulls({
      service: envelope.source,
      correlationId: envelope.correlationId,
      causationId: envelope.causationId,
      userId: envelope.user,
      tenant: envelope.tenant,
      country: envelope.country,
      traceparent: envelope.traceparent,
      tracestate: envelope.tracestate,
      priority: envelope.priority === 'normal' ? null : envelope.priority,
    }),
  }
  return {
    headers: { 'content-type': 'application/json' },
    body: encodeJson(document, `message ${envelope.type} ${envelope.id}`),
  }
}

function withoutNulls(values: Readonly<Record<string, string | null>>): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(values)) if (value !== null) kept[name] = value
  return kept
}

function decode({ body }: Encoded): Envelope {
  const document = objectOf(decodeJson(body, 'plain envelope'), 'The envelope')
  const metadata = document['metadata'] === undefined ? {} : objectOf(document['metadata'], 'metadata')
  const id = textOf(document, 'eventId')
  const optional = (name: string): string | null => {
    const value = metadata[name]
    return typeof value === 'string' ? value : null
  }
  const priority = optional('priority')
  return {
    id,
    type: textOf(document, 'eventType'),
    version: versionOf(document['version']),
    time: timeOf(textOf(document, 'timestamp')),
    key: typeof document['aggregateId'] === 'string' ? document['aggregateId'] : null,
    source: optional('service') ?? 'unknown',
    correlationId: optional('correlationId') ?? id,
    causationId: optional('causationId'),
    user: optional('userId'),
    tenant: optional('tenant'),
    country: optional('country'),
    traceparent: optional('traceparent'),
    tracestate: optional('tracestate'),
    priority: priority === 'high' || priority === 'critical' ? priority : 'normal',
    data: document['data'] ?? null,
  }
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new AcuseError('ACUSE_UNDECODABLE', `${what} is not an object.`)
}

function textOf(document: Readonly<Record<string, unknown>>, name: string): string {
  const value = document[name]
  if (typeof value === 'string' && value !== '') return value
  throw new AcuseError('ACUSE_UNDECODABLE', `The envelope has no ${name}.`)
}

function versionOf(value: unknown): number {
  const match = /^(\d+)(?:\.\d+)*$/.exec(typeof value === 'string' ? value : value === undefined ? '1.0' : '')
  const version = Number(match?.[1])
  if (version >= 1) return version
  throw new AcuseError(
    'ACUSE_UNDECODABLE',
    `The envelope has version ${JSON.stringify(value)}; "1.0" is of the right form.`,
  )
}

function timeOf(text: string): Date {
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new AcuseError(
    'ACUSE_UNDECODABLE',
    `The envelope has timestamp ${JSON.stringify(text)}, which is not ISO 8601.`,
  )
}
