import { ConfigurationError } from './errors.ts'
import type { MessageType, OutgoingMessage, Priority, Upcaster } from './message.ts'
import { checkName } from './names.ts'
import type { StandardSchema } from './schema.ts'

/** The unit of order, partitions, retention and of the broker's destination. Order is kept per key, across its types. */
export interface Stream {
  readonly name: string
  /** How many partitions its keys spread over, per priority. Default 4. Every service must declare the same number. */
  readonly partitions: number
  /** Declares a message type of this stream. */
  message<In, Out = In>(name: string, declaration: MessageDeclaration<In, Out>): MessageType<In, Out>
}

export interface StreamOptions {
  /** 1 to 256, default 4: a group spreads over at most this many processes. */
  readonly partitions?: number
}

export interface MessageDeclaration<In, Out> {
  readonly schema: StandardSchema<In, Out>
  /** Default 1. */
  readonly version?: number
  /** Messages with one key are applied in order, one at a time. Without it the type is unkeyed and has no order. */
  readonly key?: (data: In) => string
  /** Default `normal`. A keyed type has one priority, so that its order holds. */
  readonly priority?: Priority
  /** By the version they read; each gives the next version's data. */
  readonly upcasters?: Readonly<Record<number, Upcaster>>
}

/** Declares a stream. Throws `ACUSE_CONFIGURATION` for a name or a partition count that no transport could carry. */
export function stream(name: string, options: StreamOptions = {}): Stream {
  checkName('stream', name)
  const partitions = options.partitions ?? 4
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 256) {
    throw new ConfigurationError(`stream ${name}: partitions must be a whole number from 1 to 256, not ${partitions}.`)
  }
  const declared: Stream = {
    name,
    partitions,
    message: (typeName, declaration) => messageType(declared, typeName, declaration),
  }
  return declared
}

function messageType<In, Out>(
  of: Stream,
  name: string,
  declaration: MessageDeclaration<In, Out>,
): MessageType<In, Out> {
  checkName('message type', name)
  const version = declaration.version ?? 1
  if (!Number.isInteger(version) || version < 1) {
    throw new ConfigurationError(`message type ${name}: version must be a whole number from 1, not ${version}.`)
  }
  const upcasters = declaration.upcasters ?? {}
  checkUpcasters(name, version, upcasters)
  const { key } = declaration
  const info = {
    version,
    stream: of,
    schema: declaration.schema,
    keyed: key !== undefined,
    keyOf: (data: In): string | null => (key === undefined ? null : key(data)),
    priority: declaration.priority ?? ('normal' as const),
    upcasters,
  }
  const create = (data: In): OutgoingMessage<In> => ({ type: declared, data })
  // A function's own `name` is not writable, so it is defined instead of assigned.
  const declared: MessageType<In, Out> = Object.assign(
    Object.defineProperty(create, 'name', { value: name, enumerable: true }),
    info,
  )
  return declared
}

function checkUpcasters(name: string, version: number, upcasters: Readonly<Record<number, Upcaster>>): void {
  const steps = Object.keys(upcasters).map(Number)
  for (const step of steps) {
    if (!Number.isInteger(step) || step < 1 || step >= version) {
      throw new ConfigurationError(
        `message type ${name}: an upcaster reads version ${step}, but the type is at version ${version}.`,
      )
    }
  }
  for (let step = Math.min(...steps); step < version && steps.length > 0; step++) {
    if (upcasters[step] === undefined) {
      throw new ConfigurationError(`message type ${name}: the upcaster from version ${step} to ${step + 1} is missing.`)
    }
  }
}
