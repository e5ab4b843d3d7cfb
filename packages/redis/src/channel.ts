import { type AcuseError, checkName, type CredentialsProvider, systemClock } from '@acuse/core'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { type Connection, openConnection } from './connection.ts'
import { asAcuseError } from './errors.ts'

export interface RedisChannelOptions {
  /** What all channels' names begin with; default `acuse`. */
  readonly prefix?: string
  /** Without an answer for so long a connection is given up, ms; default 5,000. */
  readonly heartbeatMs?: number
  /** Certificates and the like, as Node's `tls.connect` takes them, for `rediss://`. */
  readonly tls?: TlsOptions
  /** Asked for name and password at each try to connect, so that rotated ones need no restart. Default: those of the address. */
  readonly credentials?: CredentialsProvider
  /** Told when a connection is lost; it comes back by itself. */
  readonly onError?: (error: AcuseError) => void
}

/** What was published on a channel. At most once: nobody keeps it. */
export type ChannelListener = (data: Uint8Array) => void

/** Best effort, in real time. See `redisChannel`. */
export interface RedisChannel extends AsyncDisposable {
  readonly guarantee: 'at-most-once'
  /** Tells whoever listens now. Gives how many connections that were. Rejects with `ACUSE_TRANSPORT_UNAVAILABLE`. */
  publish(channel: string, data: string | Uint8Array): Promise<number>
  /** Listens to a channel, over breaks too; the returned function ends it. Rejects with `ACUSE_TRANSPORT_UNAVAILABLE`. */
  subscribe(channel: string, listener: ChannelListener): Promise<() => Promise<void>>
}

/**
 * Redis pub/sub, for what is worthless a moment later: a cursor's place, a progress bar.
 *
 * **At most once.** Nothing is stored, confirmed or sent again: who is away, slow or reconnecting misses it, and nobody is told. No group,
 * no order between publishers, no retry. What must arrive belongs into a stream.
 *
 * Throws `ACUSE_TRANSPORT_UNAVAILABLE` when the server cannot be reached.
 */
export async function redisChannel(url: string, options: RedisChannelOptions = {}): Promise<RedisChannel> {
  const { prefix = 'acuse', heartbeatMs = 5_000, tls, credentials, onError = () => undefined } = options
  checkName('redis: prefix', prefix)
  const open = (what: string): Promise<Connection> =>
    openConnection({
      ...{ url, tls, credentials, heartbeatMs, name: `${prefix}:channel:${what}` },
      ...{ clock: systemClock, onError },
    })
  const publishing = await open('publishes')
  try {
    return new PubSub(prefix, publishing, await open('listens'))
  } catch (error) {
    publishing.close()
    throw error
  }
}

class PubSub implements RedisChannel {
  readonly guarantee = 'at-most-once'
  readonly #prefix: string
  readonly #publishing: Connection
  readonly #listening: Connection
  readonly #listeners = new Map<string, Set<ChannelListener>>()

  constructor(prefix: string, publishing: Connection, listening: Connection) {
    this.#prefix = prefix
    this.#publishing = publishing
    this.#listening = listening
    listening.redis.on('messageBuffer', (channel: Buffer, data: Buffer) => {
      for (const listener of this.#listeners.get(channel.toString()) ?? []) listener(data)
    })
  }

  async publish(channel: string, data: string | Uint8Array): Promise<number> {
    try {
      return await this.#publishing.redis.publish(this.#nameOf(channel), Buffer.from(data))
    } catch (error) {
      throw asAcuseError(error, `channel ${channel}`)
    }
  }

  async subscribe(channel: string, listener: ChannelListener): Promise<() => Promise<void>> {
    const name = this.#nameOf(channel)
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    try {
      await this.#listening.redis.subscribe(name)
    } catch (error) {
      listeners.delete(listener)
      throw asAcuseError(error, `channel ${channel}`)
    }
    return async () => {
      listeners.delete(listener)
      if (listeners.size > 0 || this.#listeners.get(name) !== listeners) return
      this.#listeners.delete(name)
      // Where it fails the connection is gone, and nobody is there to be told.
      await this.#listening.redis.unsubscribe(name).catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#publishing.close()
    this.#listening.close()
  }

  #nameOf(channel: string): string {
    checkName('channel', channel)
    return `${this.#prefix}:channel:${channel}`
  }
}
