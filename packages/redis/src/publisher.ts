import {
  AcuseError,
  ConfigurationError,
  type ErrorCode,
  Opened,
  partitionHash,
  type PublishResult,
  type SourceStream,
  type WireMessage,
} from '@acuse/core'
import { Adder } from './adder.ts'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { StreamKeys } from './keys.ts'
import { isOnDisk, readMostBytes } from './settings.ts'
import { declareStream } from './topology.ts'
import { entryOf } from './wire.ts'

export interface PublisherOptions {
  readonly connection: Connection
  readonly prefix: string
  /** Whether a message counts only once WAITAOF says that it is on disk. */
  readonly waitAof: boolean
  readonly syncWithinMs: number
  /** Of the transport, whatever the server takes. */
  readonly maxMessageBytes: number
  /** What the server took when it was opened (`proto-max-bulk-len`). */
  readonly serverMostBytes: number
  /** A stream was declared for the first time in this process. */
  readonly onStream: (stream: SourceStream) => void
}

/** Adds messages to their streams; one counts when the server says it has it, on disk. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #declared = new Opened<StreamKeys>()
  readonly #adder: Adder
  #serverMostBytes: number
  #syncing: Promise<boolean> | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#adder = new Adder(options.connection.redis)
    this.#serverMostBytes = options.serverMostBytes
  }

  async send(message: WireMessage): Promise<PublishResult> {
    const { connection } = this.#options
    if (!connection.connected) return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'there is no connection to Redis')
    try {
      const refused = this.#mayBeTooLarge(message) ? await this.#overLimit(message) : undefined
      if (refused !== undefined) return refused
      const stream = streamOf(message)
      const name = `${stream.name} ${stream.partitions}`
      const keys = this.#declared.ready(name) ?? (await this.#declared.get(name, () => this.#declare(stream)))
      const lane = keys.lane(partitionHash(message) % stream.partitions, message.priority)
      await this.#adder.add(stream.name, lane, entryOf(message), message.body.byteLength)
      if (this.#options.waitAof && !(await this.#synced())) {
        return failed('ACUSE_TRANSPORT_UNAVAILABLE', message, 'the server has not brought it to disk in time')
      }
      return { state: 'delivered' }
    } catch (error) {
      return { state: 'failed', error: asAcuseError(error, `message ${message.type} ${message.id}`) }
    }
  }

  #mayBeTooLarge({ body: { byteLength: bytes } }: WireMessage): boolean {
    return bytes > this.#serverMostBytes || bytes > this.#options.maxMessageBytes
  }

  async #overLimit({ type, id, body: { byteLength: bytes } }: WireMessage): Promise<PublishResult | undefined> {
    const { connection, maxMessageBytes } = this.#options
    // Somebody may have raised it since.
    if (bytes > this.#serverMostBytes) this.#serverMostBytes = await readMostBytes(connection.redis)
    const mostBytes = Math.min(maxMessageBytes, this.#serverMostBytes)
    if (bytes <= mostBytes) return undefined
    const setting = mostBytes === maxMessageBytes ? 'maxMessageBytes of the transport' : 'proto-max-bulk-len'
    const text = `message ${type} ${id}: it has ${bytes} bytes, and at most ${mostBytes} are taken (${setting}).`
    return { state: 'failed', error: new AcuseError('ACUSE_MESSAGE_TOO_LARGE', text) }
  }

  async #declare(stream: SourceStream): Promise<StreamKeys> {
    const { connection, prefix, onStream } = this.#options
    await declareStream(connection.redis, prefix, stream)
    onStream(stream)
    return new StreamKeys(prefix, stream.name)
  }

  /** Asks once for all that was confirmed in the same moment: it holds for everything that this connection has written before. */
  #synced(): Promise<boolean> {
    this.#syncing ??= Promise.resolve().then(async () => {
      this.#syncing = undefined
      const { connection, syncWithinMs } = this.#options
      return isOnDisk(connection.redis, syncWithinMs)
    })
    return this.#syncing
  }
}

function streamOf({ type, id, stream, partitions }: WireMessage): SourceStream {
  if (partitions !== undefined) return { name: stream, partitions }
  throw new ConfigurationError(`message ${type} ${id} does not say how many partitions stream ${stream} has.`)
}

function failed(code: ErrorCode, { type, id }: WireMessage, why: string): PublishResult {
  return { state: 'failed', error: new AcuseError(code, `message ${type} ${id}: ${why}.`) }
}
