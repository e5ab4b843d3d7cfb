import { type Clock, pause } from '@acuse/core'
import type { Connection } from './connection.ts'
import { listOf, textOf } from './reply.ts'

export interface WatcherOptions {
  /** Its own: a waiting read keeps its connection to itself. */
  readonly connection: Connection
  /** Sends what ends the waiting read. */
  readonly commands: Connection
  readonly clock: Clock
  /** What to wait for: keys, and the id after which. */
  readonly watched: () => ReadonlyMap<string, string>
  /** Something is there: the keys, and the newest id seen of each. Resolves when it has been read. */
  readonly onNews: (news: ReadonlyMap<string, string>) => Promise<void>
  readonly blockMs: number
}

const retryMs = 50
/** The server may not have begun to wait when it is told to stop. */
const unblockAgainMs = 5

/**
 * Waits at the server for something new. It only looks: whatever it finds is read by the fenced script. So a member that has lost its lease
 * takes nothing with it.
 */
export class Watcher {
  readonly #options: WatcherOptions
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #waiting = false
  #changed = false
  #unblocking = false
  /** The server's number of the connection. */
  #id: number | undefined

  constructor(options: WatcherOptions) {
    this.#options = options
    options.connection.onBack(() => {
      this.#id = undefined
    })
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** What is to be watched is another: the waiting read begins anew. */
  changed(): void {
    this.#changed = true
    if (this.#waiting && !this.#unblocking) void this.#unblock()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#options.connection.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { onNews, clock } = this.#options
    while (!this.#stopping.signal.aborted) {
      try {
        await onNews(await this.#wait())
      } catch {
        // What broke is told by the connection itself.
        await pause(clock, retryMs, this.#stopping.signal)
      }
    }
  }

  async #wait(): Promise<Map<string, string>> {
    const { connection, watched, blockMs } = this.#options
    this.#id ??= await connection.redis.client('ID')
    this.#changed = false
    const keys = watched()
    const args = ['COUNT', 1, 'BLOCK', blockMs, 'STREAMS', ...keys.keys(), ...keys.values()]
    this.#waiting = true
    try {
      const reply = await connection.redis.callBuffer('XREAD', args)
      return newsOf(reply)
    } finally {
      this.#waiting = false
    }
  }

  async #unblock(): Promise<void> {
    const { commands, clock } = this.#options
    this.#unblocking = true
    while (this.#waiting && this.#changed && this.#id !== undefined && !this.#stopping.signal.aborted) {
      // Where it fails the connection is gone, and with it the wait.
      await commands.redis.client('UNBLOCK', this.#id).catch(() => undefined)
      await pause(clock, unblockAgainMs, this.#stopping.signal)
    }
    this.#unblocking = false
  }
}

function newsOf(reply: unknown): Map<string, string> {
  return new Map(
    listOf(reply).map((stream) => {
      const [key, entries] = listOf(stream)
      const [id] = listOf(listOf(entries).at(-1))
      return [textOf(key), textOf(id)]
    }),
  )
}
