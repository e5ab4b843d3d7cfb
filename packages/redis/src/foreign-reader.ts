import {
  type AcuseError,
  type Clock,
  Intake,
  pause,
  type Received,
  type Sink,
  type Subscription,
  type WireMessage,
} from '@acuse/core'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { listOf, textOf } from './reply.ts'

export interface ForeignReaderOptions {
  readonly name: string
  readonly key: string
  readonly group: string
  /** The group of the stream. */
  readonly theirGroup: string
  readonly consumer: string
  readonly prefetch: number
  readonly claimAfterMs: number
  readonly sink: Sink
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly commands: Connection
  /** It waits on the server, so that nothing else may be sent over it. */
  readonly waiting: Connection
  /** null: none of the group's messages. */
  readonly read: (id: string, fields: ReadonlyMap<string, Buffer>) => WireMessage | null
}

interface Taken extends Received {
  readonly id: string
}

/** Shorter than the heartbeat of the connection, which an answer has to come within. */
const blockMs = 1_000
const fullPauseMs = 50
const brokenPauseMs = 500

/** One consumer of somebody else's group: reads what is new, and takes over what others left without a sign of life. */
export class ForeignReader implements Subscription {
  readonly #options: ForeignReaderOptions
  readonly #intake: Intake<Taken>
  readonly #open = new Set<string>()
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #cancelSigns: (() => void) | undefined
  #stopped: Promise<void> | undefined

  constructor(options: ForeignReaderOptions) {
    const { group, prefetch, sink, clock, onError, name } = options
    this.#options = options
    this.#intake = new Intake({ group, sink, prefetch, clock, onError })
    this.#intake.open(name)
  }

  /** Rejects where the stream or its group is not there. */
  async start(): Promise<void> {
    await this.#claim()
    this.#running = this.#run()
    this.#sign()
  }

  pause(): void {
    this.#intake.pause()
  }

  resume(): void {
    this.#intake.resume()
  }

  stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs)
    return this.#stopped
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort()
    await this.#intake.stop(deadlineMs)
    this.#cancelSigns?.()
    await this.#running
    await this.#giveBack(this.#intake.unbegun(this.#options.name).map(({ id }) => id))
    this.#intake.close()
  }

  /** Whoever looks next takes it over at once. */
  async #giveBack(ids: readonly string[]): Promise<void> {
    const { key, theirGroup, consumer, claimAfterMs, commands, onError, name } = this.#options
    if (ids.length === 0) return
    const old = [key, theirGroup, consumer, 0, ...ids, 'IDLE', claimAfterMs, 'JUSTID']
    await commands.redis.call('XCLAIM', old).catch((error: unknown) => onError(asAcuseError(error, name)))
  }

  async #run(): Promise<void> {
    const { name, clock, onError, prefetch } = this.#options
    while (!this.#stopping.signal.aborted) {
      try {
        const room = prefetch - this.#open.size
        if (room > 0) await this.#readNew(room)
        else await pause(clock, fullPauseMs, this.#stopping.signal)
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        onError(asAcuseError(error, name))
        await pause(clock, brokenPauseMs, this.#stopping.signal)
      }
    }
  }

  async #readNew(room: number): Promise<void> {
    const { key, theirGroup, consumer, waiting } = this.#options
    const from = ['GROUP', theirGroup, consumer, 'COUNT', room, 'BLOCK', blockMs, 'STREAMS', key, '>']
    const reply: unknown = await waiting.redis.callBuffer('XREADGROUP', from)
    for (const stream of listOf(reply ?? [])) this.#take(listOf(listOf(stream)[1]), false)
  }

  /** What was left longer ago than its consumers give signs of life may have been begun by one that died. */
  async #claim(): Promise<void> {
    const { key, theirGroup, consumer, claimAfterMs, prefetch, commands } = this.#options
    const room = prefetch - this.#open.size
    if (room <= 0) return
    const from = [key, theirGroup, consumer, claimAfterMs, '0', 'COUNT', room]
    const reply: unknown = await commands.redis.callBuffer('XAUTOCLAIM', from)
    this.#take(listOf(listOf(reply)[1]), true)
  }

  /** Tells the server that what is open is being worked on, and looks for what nobody works on. */
  #sign(): void {
    const { clock, claimAfterMs, key, theirGroup, consumer, commands, onError, name } = this.#options
    this.#cancelSigns = clock.after(claimAfterMs / 3, () => {
      const open = [...this.#open]
      const signs =
        open.length === 0 ? undefined : commands.redis.call('XCLAIM', [key, theirGroup, consumer, 0, ...open, 'JUSTID'])
      Promise.resolve(signs)
        .then(() => this.#claim())
        .catch((error: unknown) => onError(asAcuseError(error, name)))
        .finally(() => {
          if (!this.#stopping.signal.aborted) this.#sign()
        })
    })
  }

  #take(entries: readonly unknown[], redelivered: boolean): void {
    const { name, read } = this.#options
    for (const entry of entries) {
      const [rawId, rawFields] = listOf(entry)
      const id = textOf(rawId)
      // One that was deleted meanwhile has no fields; one that is open here was claimed by ourselves.
      if (rawFields === null || rawFields === undefined || this.#open.has(id)) continue
      const message = read(id, fieldsOf(listOf(rawFields)))
      this.#open.add(id)
      const ack = (): void => this.#ack(id)
      if (message === null) ack()
      else this.#intake.add(name, [{ message, redelivered, ack, id }])
    }
  }

  #ack(id: string): void {
    const { key, theirGroup, commands, onError, name } = this.#options
    this.#open.delete(id)
    // Where it fails it comes again, and the inbox knows it.
    commands.redis.xack(key, theirGroup, id).catch((error: unknown) => onError(asAcuseError(error, name)))
  }
}

function fieldsOf(list: readonly unknown[]): ReadonlyMap<string, Buffer> {
  const fields = new Map<string, Buffer>()
  for (let at = 0; at + 1 < list.length; at += 2) {
    const value = list[at + 1]
    fields.set(textOf(list[at]), Buffer.isBuffer(value) ? value : Buffer.from(textOf(value)))
  }
  return fields
}
