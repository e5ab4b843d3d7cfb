import type { GroupName } from '../plan.ts'
import type { Standing } from '../roles/parent.ts'
import type { Role, WorkerConfig } from '../roles/worker-config.ts'
import { type Ending, WorkerProcess } from './worker-process.ts'

/** What the run counts of its processes' ends. */
export interface EndCounts {
  /** Ended by SIGKILL, of ours or their own at a crash point. */
  kills: number
  /** SIGTERM was answered by exit code 0, or not. */
  drained: number
  notDrained: number
  /** Ended without anybody's doing. */
  unexpected: number
}

export interface PlaceOptions {
  readonly makeConfig: (incarnation: number) => WorkerConfig
  readonly name: string
  readonly role: Role
  readonly group: GroupName
  readonly env: () => Readonly<Record<string, string>>
  readonly nodeArguments: readonly string[]
  readonly errorFile: string
  readonly counts: EndCounts
  readonly note: (text: string) => void
  /** It died at a crash point. */
  readonly onPoint: (point: string) => void
}

const startAgainMs = 300

/** A place in the run that always has a process: whoever ends is followed by another of the same name. */
export class Place {
  readonly name: string
  readonly role: Role
  readonly group: GroupName
  readonly #options: PlaceOptions
  #process: WorkerProcess | undefined
  #state: 'down' | 'starting' | 'up' = 'down'
  #wanted = false
  #terminating = false
  #killing = false
  #incarnation = 0
  #restart: NodeJS.Timeout | undefined
  #isCalm = false
  /** Something is being done to it: nothing else is, meanwhile. */
  busy = false

  constructor(options: PlaceOptions) {
    this.name = options.name
    this.role = options.role
    this.group = options.group
    this.#options = options
  }

  get state(): 'down' | 'starting' | 'up' {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  start(env: Readonly<Record<string, string>> = {}): void {
    this.#wanted = true
    if (this.#process !== undefined) return
    clearTimeout(this.#restart)
    this.#state = 'starting'
    this.#terminating = false
    this.#killing = false
    const { makeConfig, nodeArguments, errorFile } = this.#options
    const started = new WorkerProcess({
      config: makeConfig(this.#incarnation++),
      env: { ...this.#options.env(), ...env },
      nodeArguments,
      errorFile,
      onReady: () => {
        if (this.#process === started) this.#state = 'up'
        if (this.#isCalm) this.#tellCalm()
      },
      onEnd: (ending) => this.#ended(ending),
    })
    this.#process = started
  }

  /** Kills it; another follows after `awayMs`. */
  async kill(awayMs: number, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const ending = this.#process
    this.#killing = true
    ending?.signal('SIGKILL')
    await ending?.ended()
    this.#startLater(awayMs, env)
  }

  /** Asks it to finish, and kills it when it takes longer than `deadlineMs`; another follows. */
  async terminate(deadlineMs: number, awayMs: number): Promise<void> {
    await this.#drain(deadlineMs)
    this.#startLater(awayMs, {})
  }

  freeze(): void {
    this.#process?.signal('SIGSTOP')
  }

  thaw(): void {
    this.#process?.signal('SIGCONT')
  }

  /** Lets it die at a crash point. */
  arm(crashAt: string): void {
    this.#process?.tell({ ask: 'arm', crashAt })
  }

  disarm(): void {
    this.#process?.tell({ ask: 'disarm' })
  }

  /** The faults are over, also for whoever comes after this process: nothing that was armed kills, and nothing more is published. */
  calm(): void {
    this.#isCalm = true
    this.#tellCalm()
  }

  async standing(): Promise<Standing> {
    return this.#running().standing()
  }

  async cure(): Promise<void> {
    await this.#running().cure()
  }

  async replay(): Promise<number> {
    return this.#running().replay()
  }

  /** Ends it for good. */
  async stop(deadlineMs: number): Promise<void> {
    this.#wanted = false
    clearTimeout(this.#restart)
    await this.#drain(deadlineMs)
  }

  /** For a controller that is exiting itself. */
  killNow(): void {
    this.#wanted = false
    clearTimeout(this.#restart)
    this.#process?.signal('SIGKILL')
  }

  #tellCalm(): void {
    this.#process?.tell({ ask: 'disarm' })
    this.#process?.tell({ ask: 'quiet' })
  }

  #running(): WorkerProcess {
    if (this.#process === undefined) throw new Error(`${this.name} is down`)
    return this.#process
  }

  async #drain(deadlineMs: number): Promise<void> {
    const ending = this.#process
    if (ending === undefined) return
    this.#terminating = true
    // A frozen process does not hear anything else.
    ending.signal('SIGCONT')
    ending.signal('SIGTERM')
    const overdue = setTimeout(() => ending.signal('SIGKILL'), deadlineMs)
    await ending.ended()
    clearTimeout(overdue)
  }

  #startLater(awayMs: number, env: Readonly<Record<string, string>>): void {
    clearTimeout(this.#restart)
    if (this.#wanted) this.#restart = setTimeout(() => this.start(env), awayMs)
  }

  #ended({ code, signal, point, lastWords }: Ending): void {
    const { counts, note, onPoint, name } = this.#options
    const wasUp = this.#state === 'up'
    this.#process = undefined
    this.#state = 'down'
    if (point !== null) onPoint(point)
    if (signal === 'SIGKILL' && !this.#terminating) counts.kills++
    else if (signal === 'SIGKILL' && point !== null) counts.kills++
    else if (this.#terminating && wasUp) {
      if (code === 0) counts.drained++
      else {
        counts.notDrained++
        note(`${name} did not end in order (${signal ?? `code ${code}`}): ${lastWords}`)
      }
    } else if (!this.#terminating) {
      counts.unexpected++
      note(`${name} ended by itself (${signal ?? `code ${code}`}): ${lastWords}`)
    }
    if (!this.#killing && !this.#terminating) this.#startLater(startAgainMs, {})
  }
}
