import { spawn, type ChildProcess } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endOf } from './commands.ts'
import { dataFolder, jailed, serverUser, type Jail } from './jail.ts'
import { firstOf, isStopped, membersOf, namespaceBelow, signal, type Namespace } from './namespace.ts'
import { until } from './waiting.ts'

const startTimeoutMs = 60_000
const stopTimeoutMs = 30_000
const killTimeoutMs = 10_000

/** What all servers can be given. */
export interface ServerOptions {
  /** A folder that is there, for the server's folder to be made in. Default: the system's for temporary files. */
  readonly parent?: string
  /** More files for its data folder, by name, as for certificates. The server sees them under `/mnt/data`. */
  readonly files?: Readonly<Record<string, string | Buffer>>
}

/** What a kind of server says about itself. */
export interface ServerKind {
  /** As in `RabbitMQ 4.0`. */
  readonly name: string
  readonly port: number
  readonly url: string
  /** The folder that is its root: a Debian root, or `/` for the host's own programs. */
  readonly root: string
  /** Folders of the host that it needs beside its data, by their name under `/mnt`. */
  readonly folders?: Readonly<Record<string, string>>
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Files that are written into its data folder before each start. */
  readonly files: Readonly<Record<string, string | Buffer>>
  /** Speaks to the port and answers the server's version; it throws as long as the server is not ready. */
  ready(log: string): Promise<string>
}

/** A server of this process: it and all that it starts die with it. */
export class Server implements AsyncDisposable {
  readonly name: string
  /** The port on 127.0.0.1, kept over restarts. */
  readonly port: number
  readonly url: string
  /** Its own folder on the host: `data`, and `server.log`. */
  readonly folder: string
  readonly #kind: ServerKind
  readonly #options: ServerOptions
  #launcher: ChildProcess | null = null
  #namespace: Namespace = null
  #version = ''
  #pid = 0

  constructor(kind: ServerKind, folder: string, options: ServerOptions) {
    this.name = kind.name
    this.port = kind.port
    this.url = kind.url
    this.folder = folder
    this.#kind = kind
    this.#options = options
  }

  /** The server's process id; while it is down, the last one. SIGKILL to it ends all that it started too. */
  get pid(): number {
    return this.#pid
  }

  /** What the running server said its version is. */
  get version(): string {
    return this.#version
  }

  /** Starts it on its data, and answers when it takes connections. Does nothing while it runs. */
  async start(): Promise<void> {
    if (this.#isUp()) return
    await this.#writeFiles()
    const logged = await this.#spawn()
    try {
      this.#version = await this.#answered(logged)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Stops it cleanly. */
  async stop(): Promise<void> {
    if (!this.#isUp()) return
    await this.thaw()
    signal(this.#pid, 'SIGTERM')
    if (await until(() => this.#isGone(), stopTimeoutMs)) return
    await this.kill()
    throw new Error(`${this.name} did not stop within ${stopTimeoutMs} ms and was killed. ${await this.#logEnd()}`)
  }

  /** Ends it and all its processes at once, without warning. */
  async kill(): Promise<void> {
    const launcher = this.#launcher?.pid
    if (launcher === undefined) return
    this.#namespace ??= namespaceBelow(launcher)
    for (const pid of membersOf(this.#namespace)) signal(pid, 'SIGKILL')
    if (this.#isUp()) signal(launcher, 'SIGKILL')
    if (await until(() => this.#isGone(), killTimeoutMs)) return
    throw new Error(`${this.name} was killed, and process ${this.#pid} is still there after ${killTimeoutMs} ms.`)
  }

  /** Kills it and starts it on its data. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** Holds all its processes still: connections stay open, and nobody answers. */
  async freeze(): Promise<void> {
    const stopped = await until(() => {
      const moving = membersOf(this.#namespace).filter((pid) => !isStopped(pid))
      for (const pid of moving) signal(pid, 'SIGSTOP')
      return moving.length === 0
    }, killTimeoutMs)
    if (!stopped) throw new Error(`${this.name} could not be frozen within ${killTimeoutMs} ms.`)
  }

  /** Lets a frozen server go on. */
  async thaw(): Promise<void> {
    for (const pid of membersOf(this.#namespace)) signal(pid, 'SIGCONT')
    // A launcher stops with what it launched.
    if (this.#isUp() && this.#launcher?.pid !== undefined) signal(this.#launcher.pid, 'SIGCONT')
  }

  /** Kills it and deletes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Where a program runs that sees what this server sees. */
  protected get jail(): Jail {
    const folders = { ...this.#kind.folders, data: join(this.folder, 'data') }
    return { root: this.#kind.root, mountpoint: join(this.folder, 'root'), folders }
  }

  async #writeFiles(): Promise<void> {
    const data = join(this.folder, 'data')
    await mkdir(data, { recursive: true })
    await mkdir(join(this.folder, 'root'), { recursive: true })
    await chown(data, serverUser, serverUser)
    for (const [name, content] of Object.entries({ ...this.#kind.files, ...this.#options.files })) {
      const file = join(data, name)
      await writeFile(file, content)
      await chmod(file, 0o600)
      await chown(file, serverUser, serverUser)
    }
  }

  /** Answers how long the log was before. */
  async #spawn(): Promise<number> {
    const log = await open(this.#log, 'a')
    try {
      const { size } = await log.stat()
      this.#namespace = null
      // A session of its own, so that Ctrl-C reaches only whoever started it.
      this.#launcher = spawn('setpriv', ['--pdeathsig', 'KILL', ...jailed(this.jail, this.#kind.command)], {
        detached: true,
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', HOME: dataFolder, ...this.#kind.env },
        stdio: ['ignore', log.fd, log.fd],
      })
      await new Promise<void>((resolve, reject) => this.#launcher?.once('spawn', resolve).once('error', reject))
      // Only what it serves keeps this process alive.
      this.#launcher.unref()
      return size
    } finally {
      await log.close()
    }
  }

  async #answered(logged: number): Promise<string> {
    const deadline = performance.now() + startTimeoutMs
    for (;;) {
      const said = await this.#ask(logged)
      if (!this.#isUp()) throw new Error(`${this.name} ended while it started. ${await this.#logEnd()}`)
      if (said !== null) return said
      if (performance.now() >= deadline) {
        throw new Error(`${this.name} was not ready within ${startTimeoutMs} ms. ${await this.#logEnd()}`)
      }
    }
  }

  async #ask(logged: number): Promise<string | null> {
    await until(() => !this.#isUp(), 30)
    if (this.#launcher?.pid === undefined) return null
    this.#namespace ??= namespaceBelow(this.#launcher.pid)
    try {
      const log = await readFile(this.#log)
      const version = await this.#kind.ready(log.subarray(logged).toString())
      this.#pid = firstOf(this.#namespace, this.#launcher.pid) ?? 0
      return version
    } catch {
      return null
    }
  }

  #isUp(): boolean {
    return this.#launcher !== null && this.#launcher.exitCode === null && this.#launcher.signalCode === null
  }

  #isGone(): boolean {
    return !this.#isUp() && membersOf(this.#namespace).length === 0
  }

  get #log(): string {
    return join(this.folder, 'server.log')
  }

  async #logEnd(): Promise<string> {
    const log = await readFile(this.#log, 'utf8').catch(() => '')
    return log === '' ? 'Its log is empty.' : `Its log ends:\n${endOf(log)}`
  }
}

/** A folder for a new server. */
export async function newFolder(name: string, { parent = tmpdir() }: ServerOptions): Promise<string> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'Real servers run in roots and namespaces of their own, which needs Linux and root. Run this as root on Debian.',
    )
  }
  if (!(await stat(parent)).isDirectory()) throw new Error(`${parent} is no folder for a server to be in.`)
  return await mkdtemp(join(parent, `acuse-${name}-`))
}

/** Starts a server that was just made; one that does not start leaves no folder. */
export async function started<S extends Server>(server: S): Promise<S> {
  try {
    await server.start()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}
