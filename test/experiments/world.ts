import { messageOf } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { spawnWorker, type Worker } from '../processes/spawn.ts'

const workers = {
  /** Items of the fault tests. */
  items: fileURLToPath(new URL('../processes/worker.ts', import.meta.url)),
  /** What only experiments need. */
  experiments: fileURLToPath(new URL('worker.ts', import.meta.url)),
} as const

// No unique index on effects: it would hide the duplicates that the experiments look for.
const tables = `
  create table wanted(key text not null, n int not null);
  create table effects(seq bigint generated always as identity, message text not null, key text not null, n int not null);
  create table begun(message text not null);
`

/** A database of the experiment's own, and the processes it starts on it. */
export class World {
  readonly url: string
  readonly pool: Pool
  /** Tells whoever watches how far it is. */
  readonly say: (progress: string) => void
  readonly #admin: Pool
  readonly #workers: Worker[] = []

  private constructor(url: string, admin: Pool, say: (progress: string) => void) {
    this.url = url
    this.pool = new Pool({ connectionString: url, max: 12, application_name: 'experiment' })
    this.pool.on('error', () => undefined)
    this.say = say
    this.#admin = admin
  }

  static async open(adminUrl: string, say: (progress: string) => void = () => undefined): Promise<World> {
    const admin = new Pool({ connectionString: adminUrl, max: 1 })
    admin.on('error', () => undefined)
    const name = `experiment_${randomUUID().replaceAll('-', '')}`
    await admin.query(`create database ${name}`)
    const url = new URL(adminUrl)
    url.pathname = `/${name}`
    const world = new World(url.href, admin, say)
    await world.pool.query(tables)
    return world
  }

  /** Starts a process; it does not outlive the experiment. */
  start(worker: keyof typeof workers, env: Readonly<Record<string, string>>): Worker {
    const started = spawnWorker(workers[worker], { DATABASE_URL: this.url, ...env })
    this.#workers.push(started)
    return started
  }

  /** The first column of the first row, as a number. */
  async number(sql: string, values: readonly unknown[] = []): Promise<number> {
    const { rows } = await this.pool.query<Record<string, unknown>>(sql, [...values])
    return Number(Object.values(rows[0] ?? {})[0] ?? 0)
  }

  /** Waits until the number that `sql` gives is at least this much. */
  async until(sql: string, least: number, timeoutMs = 120_000): Promise<void> {
    const look = async (): Promise<void> => {
      const found = await this.number(sql)
      if (found < least) throw new Error(`${sql}: ${found} of ${least}`)
    }
    await eventually(look, { timeoutMs, everyMs: 50 })
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) if (worker.alive()) worker.process.kill('SIGKILL')
    await Promise.all(this.#workers.map(({ ended }) => ended))
    await this.pool.end()
    const name = new URL(this.url).pathname.slice(1)
    await this.#admin.query(`drop database if exists ${name} with (force)`)
    await this.#admin.end()
  }
}

/** Keeps a process running: whenever it ends, another one is started, until `stop`. */
export class Kept {
  readonly #start: () => Worker
  readonly #running: Promise<void>
  #worker: Worker
  #stopped = false
  /** How often it ended. */
  ends = 0

  constructor(start: () => Worker) {
    this.#start = start
    this.#worker = start()
    this.#running = this.#keep()
    this.#running.catch((error: unknown) => void process.stderr.write(`${messageOf(error)}\n`))
  }

  get worker(): Worker {
    return this.#worker
  }

  /** Ends it in order; rejects unless it drains and exits with 0. */
  async stop(): Promise<void> {
    this.#stopped = true
    const ready = this.#worker.ready.then(() => this.#worker.process.kill('SIGTERM'))
    await ready.catch(() => undefined)
    await this.#running
    const { code } = await this.#worker.ended
    if (code !== 0 && code !== null) throw new Error(`a worker ended with ${code}: ${this.#worker.errors()}`)
  }

  async #keep(): Promise<void> {
    for (;;) {
      const { code } = await this.#worker.ended
      if (this.#stopped) return
      // Killed is one thing; a process that gives up by itself would only do so again.
      if (code !== null) throw new Error(`a worker ended with ${code}: ${this.#worker.errors()}`)
      this.ends++
      this.#worker = this.#start()
    }
  }
}
