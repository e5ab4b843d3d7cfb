import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'

type Argument = string | number | Buffer

/** On a server that is full, groups go on reading, acking and trimming: that is what makes room. Publishes are refused. */
const headers = {
  'when it is full it is run': '#!lua flags=allow-oom\n',
  'when it is full it is refused': '#!lua\n',
} as const

/** A Lua script: one atomic step at the server, sent by its hash once the server knows it. */
export class Script {
  readonly #source: string
  readonly #hash: string

  constructor(source: string, whenFull: keyof typeof headers = 'when it is full it is run') {
    this.#source = `${headers[whenFull]}${source}`
    this.#hash = createHash('sha1').update(this.#source).digest('hex')
  }

  /** Texts of the answer come as buffers. */
  async run(redis: Redis, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args]
    try {
      return await redis.callBuffer('EVALSHA', [this.#hash, ...rest])
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return redis.callBuffer('EVAL', [this.#source, ...rest])
    }
  }
}
