import { fork, type ChildProcess, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { expect, onTestFinished } from 'vitest'
import type { EmbeddedOptions } from '../../src/embedded/index.ts'
import { markOf, until } from '../../src/embedded/processes.ts'
import type { Answer, Order } from './user-process.ts'

const program = fileURLToPath(new URL('user-process.ts', import.meta.url))
const source = new URL('../../src/embedded/index.ts', import.meta.url).href

/** A folder of its own for the test, which other users may pass; removed when the test is over. */
export async function temporaryFolder(name = 'acuse-embedded-'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), name))
  await chmod(folder, 0o755)
  onTestFinished(async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** Runs for minutes, and its process does not notice meanwhile that the server has died. */
export const longQuery = 'select count(*) from generate_series(1, 30000) a, generate_series(1, 1000000) b'

/** Runs one statement on a connection of its own. */
export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Waits until the condition holds, and fails with what was awaited if it does not within `withinMs`. */
export async function eventually(what: string, condition: () => boolean, withinMs = 30_000): Promise<void> {
  expect(await until(condition, withinMs), what).toBe(true)
}

/** Waits until no process of that id is left. */
export async function gone(pid: number): Promise<void> {
  await eventually(`process ${pid} is gone`, () => markOf(pid) === null)
}

/** Whether something listens on the port. */
export async function listens(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = createConnection({ port, host })
  return (await new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())) as boolean
}

/** A process that uses an embedded server. */
export class UserProcess {
  readonly child: ChildProcess
  readonly #answers: Answer[] = []

  constructor(options: EmbeddedOptions, fork_: ForkOptions = {}, module = source) {
    this.child = fork(program, [module, JSON.stringify(options)], {
      execArgv: ['--conditions=@acuse/source'],
      ...fork_,
    })
    this.child.on('message', (answer: Answer) => this.#answers.push(answer))
    onTestFinished(() => {
      this.child.kill('SIGKILL')
    })
  }

  /** The answer to its start: the server it started or joined. */
  async started(): Promise<Answer & { readonly is: 'started' }> {
    const answer = await this.#next()
    if (answer.is !== 'started') throw new Error(`expected a started server, got ${JSON.stringify(answer)}`)
    return answer
  }

  /** The answer to a start that must fail. */
  async failed(): Promise<Answer & { readonly is: 'failed' }> {
    const answer = await this.#next()
    if (answer.is !== 'failed') throw new Error(`expected a failed start, got ${JSON.stringify(answer)}`)
    return answer
  }

  async query(sql: string): Promise<Record<string, unknown>[]> {
    this.#tell({ do: 'query', sql })
    const answer = await this.#next()
    return answer.is === 'rows' ? answer.rows : []
  }

  /** Has it call `stop`, and then end. */
  async stop(): Promise<void> {
    this.#tell({ do: 'stop' })
    await this.#next()
    await this.#end({ do: 'end' })
  }

  /** Has it end without `stop`: by `process.exit`, or by having nothing left to do. */
  async leaveBy(how: 'exit' | 'end'): Promise<void> {
    await this.#end({ do: how })
  }

  async kill(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
  }

  async #end(order: Order): Promise<void> {
    const exited = once(this.child, 'exit')
    this.#tell(order)
    await exited
  }

  #tell(order: Order): void {
    this.child.send(order)
  }

  async #next(): Promise<Answer> {
    await eventually(
      'the user process answers',
      () => this.#answers.length > 0 || this.child.exitCode !== null,
      150_000,
    )
    const answer = this.#answers.shift()
    if (answer === undefined) throw new Error(`the user process ended with ${this.child.exitCode}`)
    return answer
  }
}
