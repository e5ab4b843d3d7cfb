import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Answer, Ask, Standing } from '../roles/parent.ts'
import { configVariable, type WorkerConfig } from '../roles/worker-config.ts'

const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../worker.ts' : '../worker.js', import.meta.url),
)
const answerWithinMs = 10_000
const mostLastLines = 60

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The crash point it died at, if it did. */
  readonly point: string | null
  /** The end of what it wrote to stderr. */
  readonly lastWords: string
}

export interface WorkerProcessOptions {
  readonly config: WorkerConfig
  /** Beside what the configuration needs. */
  readonly env: Readonly<Record<string, string>>
  /** Node's own arguments, e.g. a module to load first. */
  readonly nodeArguments: readonly string[]
  /** What it writes to stderr is appended to this file. */
  readonly errorFile: string
  readonly onReady: () => void
  readonly onEnd: (ending: Ending) => void
}

/** The product itself found that dead letters cannot be run again safely. */
export class ReplayRefusedError extends Error {}

/** One process of the run, from its start to its end. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #asked = 0
  #point: string | null = null
  readonly #lastLines: string[] = []

  constructor({ config, env, nodeArguments, errorFile, onReady, onEnd }: WorkerProcessOptions) {
    this.#child = spawn(process.execPath, [...nodeArguments, program], {
      env: { PATH: process.env['PATH'], ...env, [configVariable]: JSON.stringify(config) },
      // Of its own group: Ctrl-C is for the controller, which then stops its processes in order.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    if (this.#child.stderr !== null) {
      createInterface({ input: this.#child.stderr }).on('line', (line) => {
        this.#point = pointIn(line) ?? this.#point
        this.#lastLines.push(line)
        if (this.#lastLines.length > mostLastLines) this.#lastLines.shift()
        note(errorFile, line)
      })
    }
    this.#child.on('message', (answer: Answer) => {
      if (answer.answer === 'ready') onReady()
      else this.#waiting.get(answer.number)?.(answer)
    })
    // A process that could not be made says so here, and has no end of its own.
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) onEnd({ code: -1, signal: null, point: null, lastWords: error.message })
      else note(errorFile, error.message)
    })
    this.#child.once('close', (code, signal) =>
      onEnd({ code, signal, point: this.#point, lastWords: this.#lastLines.join('\n') }),
    )
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for the end of a process that was asked to end. */
  async ended(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    await once(this.#child, 'close')
  }

  tell(message: Ask): void {
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  /** Rejects when the process ends or does not answer in time. */
  async standing(): Promise<Standing> {
    const answer = await this.#ask((number) => ({ ask: 'standing', number }))
    if (answer.answer !== 'standing') throw new Error(textOf(answer))
    return answer.standing
  }

  /** From now on its handlers do not fail. */
  async cure(): Promise<void> {
    const answer = await this.#ask((number) => ({ ask: 'cure', number }))
    if (answer.answer !== 'cured') throw new Error(textOf(answer))
  }

  /** Lets the dead letters of its service run again; gives how many there were. */
  async replay(): Promise<number> {
    const answer = await this.#ask((number) => ({ ask: 'replay', number }))
    if (answer.answer !== 'replayed') throw new ReplayRefusedError(textOf(answer))
    return answer.count
  }

  async #ask(make: (number: number) => Ask): Promise<Answer> {
    const number = ++this.#asked
    return new Promise<Answer>((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error('it does not answer')), answerWithinMs)
      this.#waiting.set(number, (answer) => {
        clearTimeout(overdue)
        resolve(answer)
      })
      this.tell(make(number))
    }).finally(() => this.#waiting.delete(number))
  }
}

/** A process that was killed as the run ended may have its last word when the folder is gone already: then nobody reads it. */
function note(errorFile: string, text: string): void {
  if (existsSync(dirname(errorFile))) appendFileSync(errorFile, `${text}\n`)
}

/** `armCrashPoints` writes the fatal pass to stderr. */
function pointIn(line: string): string | undefined {
  return /^\{"point":"([\w.]+)","hit":\d+,"pid":\d+\}$/.exec(line)?.[1]
}

function textOf(answer: Answer): string {
  return answer.answer === 'failed' ? answer.text : `it answered ${answer.answer}`
}
