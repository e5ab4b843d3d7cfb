import type { Clock } from './clock.ts'
import type { Codec } from './codec.ts'
import { AcuseError, ConfigurationError } from './errors.ts'
import type { Message, OutgoingMessage, PublishOptions, WireMessage } from './message.ts'
import { validate } from './schema.ts'
import type { Due } from './store.ts'
import { idWithin, keyWithin } from './tenant.ts'

/** Trace context of whatever is running now, e.g. from OpenTelemetry's propagator. */
export type TraceSource = () => { readonly traceparent: string; readonly tracestate?: string } | undefined

export interface OutgoingSettings {
  readonly service: string
  readonly codec: Codec
  readonly clock: Clock
  /** Makes the id of a message that its publisher gave none. */
  readonly newId: (nowMs: number) => string
  readonly trace: TraceSource
  readonly maxMessageBytes: number
}

/** A message ready to be appended, or to be kept until it is due. */
export interface Prepared {
  readonly message: WireMessage
  readonly due: Due | undefined
}

const longestIdChars = 200
/** With the key it has to fit into what every transport takes as a key. */
const longestTenantChars = 128
const longestKeyBytes = 512

/** A hundred years: anything later is a mistake in the unit. */
const furthestDelayMs = 100 * 365 * 86_400_000

/** The id a message will have: a new one, or the one that the application chose, which is its tenant's own. */
export function idFor(
  options: PublishOptions,
  tenant: string | null,
  { newId, clock }: Pick<OutgoingSettings, 'newId' | 'clock'>,
): string {
  return options.id === undefined ? newId(clock.now()) : idWithin(tenant, options.id)
}

/**
 * Checks and encodes one message. `cause` is the message being handled, whose flow it joins; `given` the id it was promised already.
 * Throws `ACUSE_SCHEMA_MISMATCH`, `ACUSE_UNENCODABLE`, `ACUSE_MESSAGE_TOO_LARGE` or `ACUSE_CONFIGURATION`; nothing has happened then.
 */
export async function prepare(
  outgoing: OutgoingMessage,
  options: PublishOptions,
  cause: Message | undefined,
  settings: OutgoingSettings,
  given?: string,
): Promise<Prepared> {
  const { type, data } = outgoing
  const now = settings.clock.now()
  if (options.id !== undefined) checkText(`message ${type.name}: id`, options.id, longestIdChars)
  const tenant = options.tenant ?? cause?.tenant ?? null
  if (tenant !== null) checkText(`message ${type.name}: tenant`, tenant, longestTenantChars)
  const id = given ?? idFor(options, tenant, settings)
  const subject = `message ${type.name} ${id}`
  await validate(type.schema, data, subject)
  const key = keyOf(outgoing, subject)
  const trace = cause === undefined && options.traceparent === undefined ? settings.trace() : undefined
  const encoded = settings.codec.encode({
    id,
    type: type.name,
    version: type.version,
    key,
    data,
    source: settings.service,
    time: new Date(now),
    priority: priorityOf(outgoing, options, subject),
    correlationId: options.correlationId ?? cause?.correlationId ?? id,
    causationId: cause?.id ?? null,
    user: options.user ?? cause?.user ?? null,
    tenant,
    country: options.country ?? cause?.country ?? null,
    traceparent: options.traceparent ?? cause?.traceparent ?? trace?.traceparent ?? null,
    tracestate: options.tracestate ?? cause?.tracestate ?? trace?.tracestate ?? null,
  })
  const size = encoded.body.byteLength
  if (size > settings.maxMessageBytes) {
    throw new AcuseError(
      'ACUSE_MESSAGE_TOO_LARGE',
      `${subject} is ${size} bytes long; at most ${settings.maxMessageBytes} are allowed. Send a reference to the data, or raise maxMessageBytes.`,
    )
  }
  return {
    message: {
      id,
      type: type.name,
      stream: type.stream.name,
      partitions: type.stream.partitions,
      key: key === null ? null : keyWithin(tenant, key),
      priority: options.priority ?? type.priority,
      headers: encoded.headers,
      body: encoded.body,
    },
    due: dueOf(options, subject),
  }
}

function keyOf({ type, data }: OutgoingMessage, subject: string): string | null {
  if (!type.keyed) return null
  // The type and its data were put together by the type itself, so the data is what its key function takes.
  const key: unknown = type.keyOf(data as never)
  if (typeof key !== 'string' || key === '') {
    throw new AcuseError(
      'ACUSE_UNENCODABLE',
      `${subject}: its key must be a non-empty string, not ${JSON.stringify(key)}.`,
    )
  }
  if (Buffer.byteLength(key) > longestKeyBytes) {
    throw new AcuseError('ACUSE_UNENCODABLE', `${subject}: its key is longer than ${longestKeyBytes} bytes.`)
  }
  checkText(`${subject}: its key`, key, longestKeyBytes)
  return key
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const controlCharacters = /[\u0000-\u001f\u007f]/

function checkText(what: string, text: string, longest: number): void {
  if (text === '' || text.length > longest || controlCharacters.test(text) || !text.isWellFormed()) {
    throw new AcuseError(
      'ACUSE_UNENCODABLE',
      `${what} must be 1 to ${longest} characters of valid Unicode without control characters.`,
    )
  }
}

function priorityOf({ type }: OutgoingMessage, options: PublishOptions, subject: string): WireMessage['priority'] {
  if (options.priority === undefined || options.priority === type.priority) return type.priority
  if (!type.keyed) return options.priority
  throw new ConfigurationError(
    `${subject}: a keyed type has one priority (${type.priority}), or its key's order would not hold. Declare the type with priority ${options.priority}.`,
  )
}

function dueOf({ deliverAt, deliverAfterMs }: PublishOptions, subject: string): Due | undefined {
  if (deliverAt !== undefined && deliverAfterMs !== undefined) {
    throw new ConfigurationError(`${subject}: deliverAt and deliverAfterMs exclude each other.`)
  }
  if (deliverAt !== undefined) {
    if (Number.isNaN(deliverAt.getTime())) throw new ConfigurationError(`${subject}: deliverAt is not a valid date.`)
    return { at: deliverAt }
  }
  if (deliverAfterMs === undefined) return undefined
  if (!Number.isFinite(deliverAfterMs) || deliverAfterMs < 0 || deliverAfterMs > furthestDelayMs) {
    throw new ConfigurationError(
      `${subject}: deliverAfterMs must be from 0 to ${furthestDelayMs} (100 years), not ${deliverAfterMs}.`,
    )
  }
  return { inMs: deliverAfterMs }
}
