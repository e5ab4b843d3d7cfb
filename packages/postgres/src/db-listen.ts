import { Client, type ClientConfig } from 'pg'
import { AcuseError, type Clock, messageOf } from '@acuse/core'
import { lastingBackendOf } from './backend.ts'
import { toldOf } from './db-errors.ts'
import { ident } from './db-names.ts'

/** Calls back on NOTIFY. Notifications are a hint: what was sent while the connection was down is gone. */
export interface Listener extends AsyncDisposable {
  listen(channel: string, onNotify: () => void): Promise<() => Promise<void>>
}

export interface ListenerOptions {
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  /**
   * Not to listen through a pooler. In transaction mode the LISTEN would stay with a backend that serves others next: nobody hears it, and
   * what was notified is kept for as long as their transactions last.
   */
  readonly onlyIfDirect: boolean
}

const firstRetryMs = 100
const longestRetryMs = 5_000
/** A dead peer is noticed by this; without it a half-open connection looks quiet for ever. */
const probeEveryMs = 30_000

/** One connection for all channels, opened at the first `listen`, and again after every loss. */
export function createListener(config: () => ClientConfig, options: ListenerOptions): Listener {
  return new ReconnectingListener(config, options)
}

class ReconnectingListener implements Listener {
  readonly #config: () => ClientConfig
  readonly #options: ListenerOptions
  readonly #channels = new Map<string, Set<() => void>>()
  #client: Client | undefined
  #connecting: Promise<void> | undefined
  #retryMs = firstRetryMs
  #cancelTimer: (() => void) | undefined
  #disposed = false
  /** It turned out to go through a pooler. */
  #isOff = false

  constructor(config: () => ClientConfig, options: ListenerOptions) {
    this.#config = config
    this.#options = options
  }

  async listen(channel: string, onNotify: () => void): Promise<() => Promise<void>> {
    const listeners = this.#channels.get(channel) ?? new Set()
    const isNew = listeners.size === 0
    this.#channels.set(channel, listeners.add(onNotify))
    if (this.#client === undefined) await this.#connect()
    else if (isNew) await this.#run(`listen ${ident(channel)}`)
    return async () => {
      listeners.delete(onNotify)
      if (listeners.size > 0 || this.#channels.get(channel) !== listeners) return
      this.#channels.delete(channel)
      await this.#run(`unlisten ${ident(channel)}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#channels.clear()
    this.#cancelTimer?.()
    await this.#connecting
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }

  /** Never rejects: a failure to connect is reported and tried again later, as readers poll meanwhile. */
  #connect(): Promise<void> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #open(): Promise<void> {
    if (this.#disposed || this.#isOff) return
    const client = new Client(this.#config())
    let ended = false
    const lost = (error?: Error): void => {
      if (ended) return
      ended = true
      this.#lost(client, error)
    }
    client.on('error', lost)
    client.on('end', () => lost())
    client.on('notification', ({ channel }) => this.#tell(channel))
    try {
      await client.connect()
      if (this.#options.onlyIfDirect && (await lastingBackendOf(client)) === undefined) {
        this.#isOff = true
        ended = true
        await client.end().catch(() => undefined)
        return
      }
      for (const channel of this.#channels.keys()) await client.query(`listen ${ident(channel)}`)
    } catch (error) {
      lost(error instanceof Error ? error : new Error(messageOf(error)))
      return
    }
    // Its end may have come in one packet with the answer to LISTEN: it is being tried again already.
    if (ended) return
    if (this.#disposed) {
      ended = true
      await client.end().catch(() => undefined)
      return
    }
    this.#client = client
    this.#retryMs = firstRetryMs
    this.#probeLater()
    for (const channel of this.#channels.keys()) this.#tell(channel)
  }

  #lost(client: Client, error: Error | undefined): void {
    if (this.#client === client) this.#client = undefined
    client.end().catch(() => undefined)
    if (this.#disposed) return
    this.#options.onError(
      new AcuseError(
        'ACUSE_STORE_UNAVAILABLE',
        `The connection that listens for wake-ups was lost (${error === undefined ? 'it ended' : toldOf(error)}). ` +
          `Messages are found by polling until it is back; it is tried again in ${this.#retryMs} ms.`,
        { cause: error },
      ),
    )
    this.#later(this.#retryMs, () => this.#connect())
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
  }

  #probeLater(): void {
    this.#later(probeEveryMs, async () => {
      await this.#run('select 1')
      if (this.#client !== undefined) this.#probeLater()
    })
  }

  #later(delayMs: number, work: () => Promise<void>): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#options.clock.after(delayMs, () => void work())
  }

  /** A statement that fails means the connection is of no use any more: it is closed, and opened again. */
  async #run(statement: string): Promise<void> {
    const client = this.#client
    if (client === undefined) return
    await client.query(statement).catch((error: unknown) => client.emit('error', error))
  }

  #tell(channel: string): void {
    for (const onNotify of this.#channels.get(channel) ?? []) onNotify()
  }
}
