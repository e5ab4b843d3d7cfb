import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dataFolder, jailed, type Jail } from './jail.ts'
import { isStopped, Namespace, signal } from './namespace.ts'
import { until } from './waiting.ts'

const timeoutMs = 10_000

/** A program in a jail, with all that it starts. It ends when this process ends. */
export class JailedProcess {
  readonly #launcher: ChildProcess
  #namespace: Namespace | null = null
  #pid: number | null = null

  private constructor(launcher: ChildProcess) {
    this.#launcher = launcher
  }

  /** Starts it; its output goes to an open file. */
  static async spawn(
    jail: Jail,
    command: readonly string[],
    env: NodeJS.ProcessEnv,
    output: number,
  ): Promise<JailedProcess> {
    const launcher = spawn('setpriv', ['--pdeathsig', 'KILL', ...jailed(jail, command)], {
      // A session of its own, so that Ctrl-C reaches only whoever started it.
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', HOME: dataFolder, ...env },
      stdio: ['ignore', output, output],
    })
    await once(launcher, 'spawn')
    // Nobody waits for it: whoever started it may end, and it ends with them.
    launcher.unref()
    return new JailedProcess(launcher)
  }

  /** The process id of the program itself; null until it is there. SIGKILL to it ends all that it started too. */
  get pid(): number | null {
    const { pid } = this.#launcher
    if (this.#pid === null && pid !== undefined) this.#pid = this.#within()?.firstOf(pid) ?? null
    return this.#pid
  }

  /** Whether it has not ended. */
  isUp(): boolean {
    return this.#launcher.exitCode === null && this.#launcher.signalCode === null
  }

  /** Asks the program to end, and answers whether it has. */
  async end(withinMs: number): Promise<boolean> {
    if (this.pid !== null && this.isUp()) signal(this.pid, 'SIGTERM')
    return await this.#gone(withinMs)
  }

  /** Ends all its processes at once. */
  async kill(): Promise<boolean> {
    const { pid } = this.#launcher
    const members = this.#within()?.members() ?? []
    for (const member of members) signal(member, 'SIGKILL')
    // The launcher waits for what it launched, and has to run for that. Where there is nothing yet it goes itself.
    if (pid !== undefined && this.isUp()) signal(pid, members.length === 0 ? 'SIGKILL' : 'SIGCONT')
    return await this.#gone(timeoutMs)
  }

  /** Stops all its processes where they are, and answers whether all have stopped. */
  async freeze(): Promise<boolean> {
    return await until(() => {
      // One that was starting another may have done so before it stopped.
      const moving =
        this.#within()
          ?.members()
          .filter((pid) => !isStopped(pid)) ?? []
      for (const pid of moving) signal(pid, 'SIGSTOP')
      return moving.length === 0
    }, timeoutMs)
  }

  /** Lets them go on. */
  thaw(): void {
    const { pid } = this.#launcher
    for (const member of this.#within()?.members() ?? []) signal(member, 'SIGCONT')
    // A launcher may stop with what it launched.
    if (pid !== undefined && this.isUp()) signal(pid, 'SIGCONT')
  }

  #within(): Namespace | null {
    const { pid } = this.#launcher
    if (this.#namespace === null && pid !== undefined && this.isUp()) this.#namespace = Namespace.below(pid)
    return this.#namespace
  }

  async #gone(withinMs: number): Promise<boolean> {
    const gone = await until(() => !this.isUp() && (this.#namespace?.members().length ?? 0) === 0, withinMs)
    if (gone) {
      this.#namespace?.[Symbol.dispose]()
      this.#namespace = null
    }
    return gone
  }
}
