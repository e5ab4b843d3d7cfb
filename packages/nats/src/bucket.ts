import type { AcuseError } from '@acuse/core'
import { PubHeaders } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { readMessage, store } from './api.ts'
import type { Connection } from './connection.ts'
import { apiCodeOf, apiCodes, asAcuseError } from './errors.ts'
import { bucketStreamOf } from './topology.ts'

export interface Entry {
  readonly value: string
  /** What the next write has to name. */
  readonly revision: number
  /** When it was written, by the server's clock; ms since the epoch. */
  readonly writtenAtMs: number
}

export interface BucketOptions {
  readonly connection: Connection
  readonly name: string
  /** Makes it anew where it was deleted, and says so. */
  readonly remake: () => Promise<void>
}

/** Keys and values that change only where the writer knows the newest: compare and set. */
export class Bucket {
  readonly #options: BucketOptions
  #remaking: Promise<void> | undefined

  constructor(options: BucketOptions) {
    this.#options = options
  }

  async read(key: string): Promise<Entry | undefined> {
    try {
      const which = { last_by_subj: this.#subjectOf(key) }
      const { connection, name } = this.#options
      const message = await readMessage(connection, bucketStreamOf(name), which)
      if (message === undefined) return undefined
      const value = Buffer.from(message.data ?? '', 'base64').toString()
      return { value, revision: message.seq, writtenAtMs: Date.parse(message.time) }
    } catch (error) {
      // Every write comes after a read, so this is where it is noticed.
      if (apiCodeOf(error) === apiCodes.streamNotFound) await this.#remake()
      throw this.#error(key, error)
    }
  }

  /**
   * Writes where `revision` is still the newest, 0 for a key that is not there. Gives the new revision, or undefined where somebody else
   * has written meanwhile, which may have been an earlier try of this one.
   */
  async write(key: string, value: string, revision: number): Promise<number | undefined> {
    const expected = headers()
    expected.set(PubHeaders.ExpectedLastSubjectSequenceHdr, String(revision))
    try {
      const written = await store(this.#options.connection, this.#subjectOf(key), value, expected)
      if (written === undefined) throw new Error('the answer to it is no ack')
      return written
    } catch (error) {
      const code = apiCodeOf(error)
      if (code === apiCodes.wrongLastSequence || code === apiCodes.wrongLastSequenceUnknown) return undefined
      throw this.#error(key, error)
    }
  }

  #remake(): Promise<void> {
    this.#remaking ??= this.#options.remake().finally(() => {
      this.#remaking = undefined
    })
    return this.#remaking
  }

  #subjectOf(key: string): string {
    return `$KV.${this.#options.name}.${key}`
  }

  #error(key: string, error: unknown): AcuseError {
    return asAcuseError(error, `bucket ${this.#options.name}, key ${key}`)
  }
}
