import type { Redis } from 'ioredis'
import { listOf, textOf } from './reply.ts'
import { Script } from './script.ts'

/** Lua gives a command at most some 8,000 arguments. */
const mostFields = 4_000
/** The server does nothing else while a script runs: 500 entries take it some 2 ms. */
const mostEntries = 500
const mostBytes = 1_000_000

/**
 * Adds entries, each to its lane, and gives for each an error or nothing. KEYS lanes; ARGV for each entry which lane, how many fields
 * and values, and those.
 */
const addScript = new Script(
  `
local answers = {}
local at = 1
while at <= #ARGV do
  local count = tonumber(ARGV[at + 1])
  local answer = redis.pcall('XADD', KEYS[tonumber(ARGV[at])], '*', unpack(ARGV, at + 2, at + 1 + count))
  answers[#answers + 1] = type(answer) == 'table' and answer.err or ''
  at = at + 2 + count
end
return answers
`,
  'when it is full it is refused',
)

export type Field = string | Buffer

interface Entry {
  readonly lane: string
  readonly fields: readonly Field[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Adds to lanes what is given in the same moment, with one script for each stream, which is one command in place of hundreds. Nothing is
 * said of their order, but for what is added once something earlier was confirmed.
 */
export class Adder {
  readonly #redis: Redis
  /** By stream, as all keys of a script have to be on one node of a cluster. */
  readonly #waiting = new Map<string, Entry[]>()

  constructor(redis: Redis) {
    this.#redis = redis
  }

  /** Resolves once the server has it. */
  async add(stream: string, lane: string, fields: readonly Field[], bytes: number): Promise<void> {
    if (fields.length > mostFields) {
      await this.#redis.xadd(lane, '*', ...fields)
      return
    }
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) queueMicrotask(() => this.#flush())
      const entry: Entry = { lane, fields, bytes, resolve, reject }
      const waiting = this.#waiting.get(stream)
      if (waiting === undefined) this.#waiting.set(stream, [entry])
      else waiting.push(entry)
    })
  }

  #flush(): void {
    for (const entries of this.#waiting.values()) for (const part of partsOf(entries)) void this.#send(part)
    this.#waiting.clear()
  }

  async #send(entries: readonly Entry[]): Promise<void> {
    const lanes = [...new Set(entries.map(({ lane }) => lane))]
    const args: (Field | number)[] = []
    for (const { lane, fields } of entries) args.push(lanes.indexOf(lane) + 1, fields.length, ...fields)
    try {
      const answers = listOf(await addScript.run(this.#redis, lanes, args))
      for (const [index, { resolve, reject }] of entries.entries()) {
        const error = index < answers.length ? textOf(answers[index]) : 'the server gave no answer to it'
        if (error === '') resolve()
        else reject(new Error(error))
      }
    } catch (error) {
      for (const { reject } of entries) reject(error)
    }
  }
}

function* partsOf(entries: readonly Entry[]): Iterable<readonly Entry[]> {
  let part: Entry[] = []
  let bytes = 0
  for (const entry of entries) {
    if (part.length > 0 && (part.length >= mostEntries || bytes + entry.bytes > mostBytes)) {
      yield part
      part = []
      bytes = 0
    }
    part.push(entry)
    bytes += entry.bytes
  }
  if (part.length > 0) yield part
}
