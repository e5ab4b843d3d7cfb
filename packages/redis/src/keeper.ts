import { type AcuseError, type Clock, Loop, type SourceStream } from '@acuse/core'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { StreamKeys } from './keys.ts'
import { trimScript } from './stream-scripts.ts'

export interface KeeperOptions {
  readonly connection: Connection
  readonly prefix: string
  readonly retentionMs: number
  readonly everyMs: number
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
}

/** Trims the streams that this process knows to their retention. Several keepers do no harm to each other. */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #streams = new Map<string, SourceStream>()
  readonly #loop: Loop

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#loop = new Loop({
      clock: options.clock,
      round: async (signal) => {
        if (options.connection.connected) await this.trim(signal)
        return options.everyMs
      },
      onError: (error) => {
        if (options.connection.connected) options.onError(asAcuseError(error, 'redis: trimming the streams'))
      },
    })
  }

  start(): void {
    this.#loop.start()
  }

  know(stream: SourceStream): void {
    this.#streams.set(stream.name, stream)
  }

  async trim(signal: AbortSignal): Promise<void> {
    const { connection, prefix, retentionMs } = this.#options
    for (const stream of this.#streams.values()) {
      const keys = new StreamKeys(prefix, stream.name)
      for (const { key } of keys.lanesOf(stream)) {
        if (signal.aborted) return
        await trimScript.run(connection.redis, [keys.meta, key], [retentionMs])
      }
    }
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }
}
