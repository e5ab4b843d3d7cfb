import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endOf } from './commands.ts'
import { JailedProcess } from './jailed-process.ts'
import { serverUser, type Jail } from './jail.ts'
import { until } from './waiting.ts'

const startTimeoutMs = 60_000
const stopTimeoutMs = 30_000
const askEveryMs = 30
const startAttempts = 3

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
  /** The user that it runs as. Default: that of all servers. */
  readonly user?: number
  /** Where it listens for the other nodes of its cluster, and for nobody else. */
  readonly peerPorts?: readonly number[]
  /** Files that are written into its data folder before each start. */
  readonly files: Readonly<Record<string, string | Buffer>>
  /** Speaks to the port and answers the server's version; it throws as long as the server is not ready. */
  ready(log: string): Promise<string>
  /** Whether a start that ended with this log may go well if it is just repeated, as systemd does. */
  failedForNow?(log: string): boolean
}

/** A server of this process: it and all that it starts die with it. */
export class Server implements AsyncDisposable {
  readonly name: string
  /** The port on 127.0.0.1, kept over restarts. */
  readonly port: number
  readonly url: string
  /** Its own folder on the host: `data`, and `server.log`. */
  readonly folder: string
  /** The user that it runs as. */
  readonly user: number
  /** Where it listens for the other nodes of its cluster. */
  readonly peerPorts: readonly number[]
  readonly #kind: ServerKind
  readonly #options: ServerOptions
  #process: JailedProcess | null = null
  #version = ''
  #pid = 0

  constructor(kind: ServerKind, folder: string, options: ServerOptions) {
    this.name = kind.name
    this.port = kind.port
    this.url = kind.url
    this.folder = folder
    this.user = kind.user ?? serverUser
    this.peerPorts = kind.peerPorts ?? []
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

  /** Whether its process is there; it may still start, or be frozen. */
  get isUp(): boolean {
    return this.#process?.isUp() ?? false
  }

  /**
   * Starts it on its data, and answers when it takes connections. Does nothing while it is up.
   *
   * @throws Error with the end of its log when it is not ready within 60 s, or ends, and for a third time where it may be started again.
   */
  async start(): Promise<void> {
    if (this.isUp) return
    for (let attempt = 1; ; attempt += 1) {
      // One that ended by itself may have left something.
      await this.kill()
      await this.#writeFiles()
      const before = (await this.#logged()).length
      try {
        await this.#startOnce(before)
        return
      } catch (error) {
        await this.kill()
        const log = (await this.#logged()).subarray(before).toString()
        if (attempt === startAttempts || this.#kind.failedForNow?.(log) !== true) throw error
      }
    }
  }

  /** Stops it cleanly. */
  async stop(): Promise<void> {
    if (this.#process === null) return
    this.#process.thaw()
    if (await this.#process.end(stopTimeoutMs)) return
    await this.kill()
    throw new Error(`${this.name} did not stop within ${stopTimeoutMs} ms and was killed. ${await this.#logEnd()}`)
  }

  /** Ends it and all its processes at once, without warning. */
  async kill(): Promise<void> {
    if (this.#process === null || (await this.#process.kill())) return
    throw new Error(`${this.name} was killed, and process ${this.#pid} or one that it started is still there.`)
  }

  /** Kills it and starts it on its data. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** Holds all its processes still: connections stay open, and nobody answers. */
  async freeze(): Promise<void> {
    if (this.#process === null || (await this.#process.freeze())) return
    throw new Error(`${this.name} could not be frozen: a process of it still runs.`)
  }

  /** Lets a frozen server go on. */
  async thaw(): Promise<void> {
    this.#process?.thaw()
  }

  /** Kills it and deletes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Where a program runs that sees what this server sees. */
  protected get jail(): Jail {
    const folders = { ...this.#kind.folders, data: join(this.folder, 'data') }
    return { root: this.#kind.root, mountpoint: join(this.folder, 'root'), folders, user: this.user }
  }

  async #startOnce(logged: number): Promise<void> {
    const log = await open(this.#log, 'a')
    try {
      this.#process = await JailedProcess.spawn(this.jail, this.#kind.command, { ...this.#kind.env }, log.fd)
      this.#version = await this.#answered(this.#process, logged)
    } finally {
      await log.close()
    }
  }

  async #writeFiles(): Promise<void> {
    const data = join(this.folder, 'data')
    await mkdir(data, { recursive: true })
    await mkdir(join(this.folder, 'root'), { recursive: true })
    await chown(data, this.user, this.user)
    for (const [name, content] of Object.entries({ ...this.#kind.files, ...this.#options.files })) {
      const file = join(data, name)
      await writeFile(file, content)
      await chmod(file, 0o600)
      await chown(file, this.user, this.user)
    }
  }

  async #answered(process: JailedProcess, logged: number): Promise<string> {
    const deadline = performance.now() + startTimeoutMs
    for (;;) {
      const version = await this.#ask(logged)
      if (!process.isUp()) throw new Error(`${this.name} ended while it started. ${await this.#logEnd()}`)
      this.#pid = process.pid ?? 0
      if (version !== null) return version
      if (performance.now() >= deadline) {
        throw new Error(`${this.name} was not ready within ${startTimeoutMs} ms. ${await this.#logEnd()}`)
      }
      await until(() => !process.isUp(), askEveryMs)
    }
  }

  /** Its version, or null while it is not ready. */
  async #ask(logged: number): Promise<string | null> {
    const log = await this.#logged()
    return await this.#kind.ready(log.subarray(logged).toString()).catch(() => null)
  }

  async #logged(): Promise<Buffer> {
    return await readFile(this.#log).catch(() => Buffer.alloc(0))
  }

  get #log(): string {
    return join(this.folder, 'server.log')
  }

  async #logEnd(): Promise<string> {
    const log = (await this.#logged()).toString()
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
