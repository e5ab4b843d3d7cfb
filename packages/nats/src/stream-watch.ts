import { AcuseError, type SourceStream } from '@acuse/core'
import type { Subscription } from '@nats-io/transport-node'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { assertSafeStream } from './settings.ts'
import { readStream, type StreamOptions } from './streams.ts'
import { streamNameOf } from './topology.ts'

export interface StreamWatchOptions {
  readonly connection: Connection
  readonly stream: SourceStream
  readonly options: StreamOptions
  readonly onError: (error: AcuseError) => void
}

/** Hears from the server when a stream is deleted or its settings change, and says what that means. */
export class StreamWatch {
  readonly #options: StreamWatchOptions
  readonly #subscriptions: readonly Subscription[]

  constructor(options: StreamWatchOptions) {
    this.#options = options
    const name = streamNameOf(options.stream.name)
    const hear = (what: string, then: () => void): Subscription =>
      options.connection.client.subscribe(`$JS.EVENT.ADVISORY.STREAM.${what}.${name}`, {
        callback: (error) => {
          if (error === null) then()
        },
      })
    this.#subscriptions = [
      hear('DELETED', () => options.onError(deleted(options.stream.name, name))),
      hear('UPDATED', () => void this.#check()),
    ]
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }

  async #check(): Promise<void> {
    const { connection, stream, options, onError } = this.#options
    try {
      const info = await readStream(connection, stream.name)
      if (info !== undefined) assertSafeStream(info.config, options)
    } catch (error) {
      onError(asAcuseError(error, `stream ${stream.name}`))
    }
  }
}

function deleted(stream: string, name: string): AcuseError {
  const text = `stream ${stream}: ${name} was deleted, with what was not read of it. It is made anew.`
  return new AcuseError('ACUSE_HISTORY_GONE', text)
}
