import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import type { BrokerPlace } from '../brokers/place.ts'
import type { ActorName, Actors } from './actors.ts'
import type { Answer, Request } from './process.ts'

/** An actor in another process: the same methods, each with one argument and an answer that are plain data. */
export type Remote<Name extends ActorName> = Actors[Name]

const entry = join(import.meta.dirname, 'process.ts')
const longestCloseMs = 20_000

export interface SpawnOptions {
  /** A folder for a CPU profile of the process. */
  readonly profileIn?: string | undefined
  /** Node's own arguments for it, beside those of this process. */
  readonly node?: readonly string[]
  /** Where on a broker, if one is measured. */
  readonly on?: BrokerPlace | undefined
}

/** Starts an actor in a process of its own and waits until it is open. */
export async function spawnActor<Name extends ActorName>(
  name: Name,
  url: string,
  { profileIn, node = [], on }: SpawnOptions = {},
): Promise<Remote<Name>> {
  const profiling = profileIn === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileIn}`]
  const place = on === undefined ? [] : [JSON.stringify(on)]
  const child = fork(entry, [name, url, ...place], { execArgv: [...process.execArgv, ...node, ...profiling] })
  const calls = new Calls(name, child)
  await calls.opened
  // Every property is a method that is called over there.
  return new Proxy({} as Remote<Name>, {
    get: (_, method) =>
      // A proxy with a `then` would be taken for a promise.
      method === 'then' || typeof method === 'symbol'
        ? undefined
        : (argument: unknown): Promise<unknown> => (method === 'close' ? calls.close() : calls.call(method, argument)),
  })
}

class Calls {
  readonly opened: Promise<unknown>
  readonly #name: string
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #nr = 0
  #closing: Promise<void> | undefined

  constructor(name: string, child: ChildProcess) {
    this.#name = name
    this.#child = child
    this.opened = this.#expect(0)
    child.on('message', (answer: Answer) => this.#settle(answer))
    child.on('exit', (code, signal) => this.#failAll(`${name} ended with ${signal ?? code}`))
    child.on('error', (error) => this.#failAll(`${name}: ${error.message}`))
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  call(method: string, argument: unknown): Promise<unknown> {
    const nr = ++this.#nr
    const answer = this.#expect(nr)
    const request: Request = { nr, method, argument }
    this.#child.send(request)
    return answer
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#hasEnded) return
    const exited = once(this.#child, 'exit')
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), longestCloseMs)
    // A process that cannot close in order has said why, or ends with what it holds.
    await this.call('close', undefined).catch(() => this.#child.kill('SIGKILL'))
    await exited
    clearTimeout(killing)
  }

  #expect(nr: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(nr, waiting)
    return waiting.promise
  }

  #settle({ nr, value, error }: Answer): void {
    const waiting = this.#waiting.get(nr)
    this.#waiting.delete(nr)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(new Error(`${this.#name}: ${error}`))
  }

  #failAll(message: string): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new Error(message))
    this.#waiting.clear()
  }
}
