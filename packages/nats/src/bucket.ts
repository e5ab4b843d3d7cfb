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

/** Keys and values that change only where the writer knows the newest: compare and set. */
export class Bucket {
  readonly #connection: Connection
  readonly #name: string

  constructor(connection: Connection, name: string) {
    this.#connection = connection
    this.#name = name
  }

  async read(key: string): Promise<Entry | undefined> {
    try {
      const which = { last_by_subj: this.#subjectOf(key) }
      const message = await readMessage(this.#connection, bucketStreamOf(this.#name), which)
      if (message === undefined) return undefined
      const value = Buffer.from(message.data ?? '', 'base64').toString()
      return { value, revision: message.seq, writtenAtMs: Date.parse(message.time) }
    } catch (error) {
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
      const written = await store(this.#connection, this.#subjectOf(key), value, expected)
      if (written === undefined) throw new Error('the answer to it is no ack')
      return written
    } catch (error) {
      const code = apiCodeOf(error)
      if (code === apiCodes.wrongLastSequence || code === apiCodes.wrongLastSequenceUnknown) return undefined
      throw this.#error(key, error)
    }
  }

  #subjectOf(key: string): string {
    return `$KV.${this.#name}.${key}`
  }

  #error(key: string, error: unknown): AcuseError {
    return asAcuseError(error, `bucket ${this.#name}, key ${key}`)
  }
}
