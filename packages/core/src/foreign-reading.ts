import type { Clock } from './clock.ts'
import type { Codec, Encoded } from './codec.ts'
import { AcuseError } from './errors.ts'
import type { ForeignMessage } from './foreign.ts'
import { decodeJson } from './json.ts'
import type { AnyMessageType, Envelope, WireMessage } from './message.ts'
import { keyWithin } from './tenant.ts'

/** How messages of a foreign place become messages of declared types. What throws makes a dead letter with the raw bytes. */
export interface ForeignMapping {
  /** Reads id, type, data and the rest of the envelope. What is said beside it wins. */
  readonly codec?: Codec
  /** The name of its type; null: none of this group's, it is done with at once. Default: what the codec says, else the group's one type. */
  readonly type?: (message: ForeignMessage) => string | null
  /** The same whenever it comes again, and no other's. Default: what the codec says, else the message's own `id`. */
  readonly id?: (message: ForeignMessage) => string
  /** What order is kept by; null: nothing. Default: the key of its type, from its data. */
  readonly key?: (message: ForeignMessage) => string | null
  /** The data, as its type's schema takes it. Default: what the codec says, else the body as JSON. */
  readonly decode?: (message: ForeignMessage) => unknown
}

/** What a message of the log cannot hold of a foreign one, as headers. */
const own = {
  address: 'acuse-from',
  id: 'acuse-from-id',
  key: 'acuse-from-key',
  time: 'acuse-from-time',
  takenOut: 'acuse-taken-out',
} as const
const ownHeaders: ReadonlySet<string> = new Set(Object.values(own))

const longestIdChars = 200
const longestKeyBytes = 512

export interface ForeignReadingOptions {
  readonly group: string
  /** The source's name. */
  readonly source: string
  readonly mapping: ForeignMapping
  readonly types: () => ReadonlyMap<string, AnyMessageType>
  /** A message without an id of its own gets a new one each time it comes. */
  readonly makesIds: boolean
  readonly newId: () => string
  readonly clock: Clock
}

/** Reads foreign messages: what routes them when they come, and all of them when they are applied, retried or replayed. */
export class ForeignReading {
  readonly #options: ForeignReadingOptions

  constructor(options: ForeignReadingOptions) {
    this.#options = options
  }

  /** Decodes what `wireOf` has made, in place of the bus's codec. */
  readonly codec: Codec = {
    name: 'foreign',
    encode: () => {
      throw new AcuseError('ACUSE_UNENCODABLE', `${this.#options.source} is only read.`)
    },
    decode: (encoded) => {
      const message = messageFrom(encoded)
      const type = this.#typeOf(message, this.#decode(message))
      if (type === null) throw this.#undecodable('it is none of this group any more')
      return this.#envelopeOf(message, type)
    },
  }

  /** As a group takes it. null: its type is none of the group's, by the mapping's own word. What cannot be read becomes a dead letter. */
  wireOf(message: ForeignMessage): WireMessage | null {
    const time = isTime(message.time) ? message.time : new Date(this.#options.clock.now())
    const kept = { headers: headersOf({ ...message, time }), body: message.body, priority: 'normal' } as const
    try {
      const type = this.#typeOf(message, this.#decode(message))
      if (type === null) return null
      const { id, key, tenant } = this.#envelopeOf(message, type)
      const { stream, priority } = type
      return {
        ...kept,
        priority,
        id,
        type: type.name,
        stream: stream.name,
        key: key === null ? null : keyWithin(tenant, key),
      }
    } catch {
      // Its bytes are kept under an id that no other has, and the same error comes when it is applied.
      const id = isId(message.id) ? message.id : this.#options.newId()
      return { ...kept, id, type: typeName(message), stream: this.#options.group, key: null }
    }
  }

  /** Which declared type a message is that could not be read when it came, or whose type had no handler then. */
  typeOf(wire: WireMessage): string | undefined {
    try {
      const message = messageFrom(wire)
      return this.#typeOf(message, this.#decode(message))?.name
    } catch {
      return undefined
    }
  }

  #decode(message: ForeignMessage): Envelope | undefined {
    return this.#options.mapping.codec?.decode(message)
  }

  #typeOf(message: ForeignMessage, decoded: Envelope | undefined): AnyMessageType | null {
    const { mapping, group, types: declared } = this.#options
    const types = declared()
    const [only, second] = types.values()
    const name = mapping.type === undefined ? (decoded?.type ?? only?.name) : mapping.type(message)
    if (name === null) return null
    // Without a word about types, a group of several cannot know which one is meant.
    if (mapping.type === undefined && decoded === undefined && second !== undefined) {
      throw this.#undecodable('its mapping says nothing of types, and there are several; give it type')
    }
    const type = name === undefined ? undefined : types.get(name)
    if (type !== undefined) return type
    throw new AcuseError(
      'ACUSE_UNKNOWN_TYPE',
      `group ${group} has no handler for ${JSON.stringify(name)} of ${this.#options.source}. Add it and replay, or let the mapping give null for it.`,
    )
  }

  #envelopeOf(message: ForeignMessage, type: AnyMessageType): Envelope {
    const { mapping, source, makesIds, newId } = this.#options
    const decoded = this.#decode(message)
    const data = this.#dataOf(message, decoded)
    const found = mapping.id === undefined ? decoded?.id || message.id : mapping.id(message)
    const id = makesIds && found === null ? newId() : found
    if (!isId(id)) throw this.#undecodable(`its id is ${shortly(id)}; 1 to ${longestIdChars} characters are one`)
    const { headers } = message
    return {
      id,
      type: type.name,
      version: decoded?.version ?? type.version,
      key: this.#keyOf(message, type, data),
      data,
      source: decoded?.source ?? source,
      time: decoded?.time ?? message.time ?? new Date(0),
      priority: type.priority,
      correlationId: decoded?.correlationId ?? headers['correlation-id'] ?? id,
      causationId: decoded?.causationId ?? null,
      user: decoded?.user ?? null,
      tenant: decoded?.tenant ?? null,
      country: decoded?.country ?? null,
      traceparent: decoded?.traceparent ?? headers['traceparent'] ?? null,
      tracestate: decoded?.tracestate ?? headers['tracestate'] ?? null,
    }
  }

  #dataOf(message: ForeignMessage, decoded: Envelope | undefined): unknown {
    const { mapping, source } = this.#options
    if (mapping.decode !== undefined) return mapping.decode(message)
    return decoded === undefined ? decodeJson(message.body, `A message of ${source}`) : decoded.data
  }

  #keyOf(message: ForeignMessage, type: AnyMessageType, data: unknown): string | null {
    const { mapping } = this.#options
    // A key function that meets other data than its type's throws, or gives what is no key.
    const key: unknown = mapping.key === undefined ? type.keyOf(data as never) : mapping.key(message)
    if (key === null) return null
    const isKey = typeof key === 'string' && key !== '' && Buffer.byteLength(key) <= longestKeyBytes
    if (!isKey) throw this.#undecodable(`its key is ${shortly(key)}; 1 to ${longestKeyBytes} bytes are one`)
    return key
  }

  #undecodable(why: string): AcuseError {
    return new AcuseError('ACUSE_UNDECODABLE', `A message of ${this.#options.source} cannot be read: ${why}.`)
  }
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const controlCharacters = /[\u0000-\u001f\u007f]/

function isId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= longestIdChars && !controlCharacters.test(id)
}

/** What a mapping gave in place of an id or a key: of a text its beginning, of anything else its kind, as that may be the whole payload. */
function shortly(given: unknown): string {
  return typeof given === 'string'
    ? JSON.stringify(given.slice(0, 50))
    : given === null
      ? 'null'
      : `of type ${typeof given}`
}

function isTime(time: Date | null): time is Date {
  return time !== null && !Number.isNaN(time.getTime())
}

const longestTypeChars = 200

/** By what a message is listed that has no type of ours. */
function typeName({ address }: ForeignMessage): string {
  return address === '' ? 'unknown' : address.slice(0, longestTypeChars)
}

/** Why the broker took a message out of its place, where it did and says so. */
export function takenOutBecause({ headers }: Pick<WireMessage, 'headers'>): string | undefined {
  return headers[own.takenOut]
}

function headersOf({ headers, address, id, key, time, takenOut }: ForeignMessage): Record<string, string> {
  return {
    ...headers,
    [own.address]: address,
    ...(id === null ? {} : { [own.id]: id }),
    ...(key === null ? {} : { [own.key]: key }),
    ...(time === null ? {} : { [own.time]: time.toISOString() }),
    ...(takenOut === undefined ? {} : { [own.takenOut]: takenOut }),
  }
}

function messageFrom({ headers, body }: Encoded): ForeignMessage {
  const { [own.time]: time, [own.takenOut]: takenOut } = headers
  return {
    address: headers[own.address] ?? '',
    id: headers[own.id] ?? null,
    key: headers[own.key] ?? null,
    time: time === undefined ? null : new Date(time),
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.has(name))),
    body,
    ...(takenOut === undefined ? {} : { takenOut }),
  }
}
