import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'

import { readyUrl } from './ready-line.ts'

export type ServiceState = 'up' | 'down' | 'starting'

export interface ServiceOptions {
  /** Unique among the processes, e.g. `inventory-2`. */
  name: string
  /** Node's arguments. */
  program: readonly string[]
  /** All of its environment, beside PATH. */
  env: Readonly<Record<string, string>>
  /** Where it listens on 127.0.0.1, at each start again. */
  port: number
  /** What it prints is appended to this file. */
  log: string
  /** How long until it serves; default 30,000 ms. Starting seven processes at once on two cores takes some 5 s. */
  startTimeoutMs?: number
  /** Whatever its process sends. */
  onMessage?: (message: unknown) => void
  /** It ended although nobody had asked it to. */
  onUnexpectedEnd?: (how: string) => void
}

/** One process of a service. It can be stopped and killed, frozen and started again, always on the same address. */
export class ServiceProcess {
  readonly name: string
  readonly url: string
  readonly log: string
  readonly #options: ServiceOptions
  #child: ChildProcess | undefined
  #state: ServiceState = 'down'
  /** Whether its end, when it comes, was asked for. */
  #ending = false

  constructor(options: ServiceOptions) {
    this.name = options.name
    this.url = `http://127.0.0.1:${options.port}`
    this.log = options.log
    this.#options = options
  }

  get state(): ServiceState {
    return this.#state
  }

  /** While it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts the process and waits until it serves. One that does not get there is ended, and the promise rejects. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.name} runs already`)
    this.#state = 'starting'
    const child = this.#spawn()
    try {
      await this.#serving(child)
      this.#state = 'up'
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Ends it without warning, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Asks it to finish and end; one that takes longer than `deadlineMs` is killed. Gives whether it ended by itself, with 0. */
  async stop(deadlineMs: number): Promise<boolean> {
    const child = this.#child
    if (child === undefined) return true
    const overdue = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    // A frozen process does not hear anything else.
    child.kill('SIGCONT')
    await this.#end('SIGTERM')
    clearTimeout(overdue)
    return child.exitCode === 0
  }

  /** Stops it in its tracks, as a virtual machine that is moved. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Kills it without waiting, for a process that is exiting itself. */
  killNow(): void {
    this.#ending = true
    this.#child?.kill('SIGKILL')
  }

  #spawn(): ChildProcess {
    const { env, log, onMessage, port, program } = this.#options
    const child = spawn(process.execPath, program, {
      env: { PATH: process.env['PATH'], ...env, PORT: String(port) },
      // Of its own group: Ctrl-C is for the marketplace, which then stops its services in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child = child
    this.#ending = false
    const file = createWriteStream(log, { flags: 'a' })
    file.on('error', () => undefined)
    child.stderr?.pipe(file, { end: false })
    child.stdout?.on('data', (chunk: Buffer) => file.write(chunk))
    if (onMessage !== undefined) child.on('message', onMessage)
    child.on('error', () => {
      // Without a process there is no end of it either.
      if (child.pid === undefined) this.#ended(child, file, 'nothing')
    })
    child.once('close', (code, signal) => this.#ended(child, file, signal ?? `code ${code}`))
    return child
  }

  #ended(child: ChildProcess, file: WriteStream, how: string): void {
    file.end()
    if (this.#child !== child) return
    this.#child = undefined
    const wasUp = this.#state === 'up'
    this.#state = 'down'
    if (wasUp && !this.#ending) this.#options.onUnexpectedEnd?.(how)
  }

  async #serving(child: ChildProcess): Promise<void> {
    const { startTimeoutMs = 30_000 } = this.#options
    const { stdout } = child
    if (stdout === null) throw new Error(`${this.name} has no output to read`)
    const lines = createInterface({ input: stdout })
    let overdue: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const failed = (how: string): void => reject(new Error(`${this.name} ${how}; its log is ${this.log}`))
        lines.on('line', (line) => {
          if (readyUrl(line) === this.url) resolve()
        })
        child.once('close', (code, signal) => failed(`ended with ${signal ?? `code ${code}`} before it served`))
        child.once('error', (error) => failed(`could not be started: ${error.message}`))
        overdue = setTimeout(() => failed(`did not serve within ${startTimeoutMs} ms`), startTimeoutMs)
      })
    } finally {
      clearTimeout(overdue)
      lines.close()
      // The reader stops the flow when it closes; a process whose output nobody reads stops when the pipe is full.
      stdout.resume()
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#ending = true
    if (child === undefined) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }
}
