import { AcuseError, type Clock, type Intake } from '@acuse/core'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import { type Lane, type LaneMessage, type LaneShape, take } from './lane.ts'
import type { PlaceKeeper } from './place-keeper.ts'
import { Pull } from './pull.ts'
import { readStored } from './stored.ts'
import { filterOf, streamNameOf, tokenOf } from './topology.ts'
import type { Stored } from './wire.ts'

export interface SessionOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly group: string
  readonly stream: string
  readonly partition: number
  readonly lanes: readonly LaneShape[]
  readonly types: readonly string[] | 'all'
  /** How many messages of a lane may wait here. */
  readonly mostWaiting: number
  readonly keeper: PlaceKeeper
  readonly intake: Intake<LaneMessage>
}

/** Something broke, the connection or the partition was lost, or it was let go of in peace. */
export type SessionEnd = AcuseError | 'lost' | 'finished'

/** Acks are stored together: what a crash takes of them comes again, and the inbox knows it. */
const storeEveryMs = 100
/** It is told with each heartbeat, every 3 s. */
const passesPerStore = 10
/** Of a lane, as large messages would otherwise fill the memory by their number. */
const mostOpenBytes = 8 * 1024 * 1024
/** A consumer that is lost is made again at once, this often in a row without a message in between. */
const mostPulls = 5

/**
 * One reading of a partition, from taking its place over until it is let go of or something breaks. What is handed on is noted as begun
 * first: whoever is next, after this process died, knows what may have ended it.
 */
export class Session {
  /** Resolves when it is over, with what ended it. */
  readonly over: Promise<SessionEnd>
  readonly #options: SessionOptions
  readonly #end: (reason: SessionEnd) => void
  #lanes: readonly Lane[] = []
  #state: 'reading' | 'draining' | 'over' = 'reading'
  #storing = false
  #filling = false
  #pulls = 0
  #passes = 0
  #cancelStore: (() => void) | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<SessionEnd>()
    this.over = promise
    this.#end = resolve
  }

  async open(): Promise<void> {
    const { keeper, lanes, intake } = this.#options
    const places = await keeper.open()
    this.#lanes = lanes.flatMap((lane) => {
      const place = places.get(lane.name)
      return place === undefined ? [] : [{ ...lane, place, incoming: [], pull: undefined }]
    })
    const open = await Promise.all(this.#lanes.map((lane) => this.#readOpen(lane)))
    if (open.some(({ length }) => length > 0)) await keeper.store()
    for (const [index, { partition, rank }] of this.#lanes.entries()) {
      intake.open(partition, rank)
      intake.add(partition, open[index] ?? [])
    }
    await Promise.all(this.#lanes.map((lane) => this.#pullAgain(lane)))
  }

  /** Something broke: it is over at once, and what is settled from now on is not stored. */
  fail(reason: AcuseError | 'lost'): void {
    this.#close(reason)
  }

  /** Takes nothing more; what is out is still settled, and stored. */
  drain(): void {
    if (this.#state === 'reading') this.#state = 'draining'
    for (const { pull } of this.#lanes) pull?.stop()
  }

  /** Stores the place for the last time, with all in doubt that is open and not among what was never begun. Never rejects. */
  async finish(unbegun: readonly LaneMessage[]): Promise<void> {
    const { keeper, onError } = this.#options
    if (this.#state === 'over') return
    this.drain()
    const untouched = new Set([...unbegun, ...this.#lanes.flatMap(({ incoming }) => incoming)].map(sequenceOf))
    // What an earlier owner may have begun stays in doubt, whoever lets go of it.
    const doubt = this.#lanes.flatMap(({ place }) =>
      place.open.filter((sequence) => place.isSuspect(sequence) || !untouched.has(sequence)),
    )
    this.#cancelStore?.()
    try {
      await keeper.storeLast(doubt)
    } catch (error) {
      // Then all that is open is in doubt.
      onError(this.#error(error))
    }
    this.#close('finished')
  }

  #close(reason: SessionEnd): void {
    this.drain()
    this.#state = 'over'
    this.#cancelStore?.()
    this.#end(reason)
  }

  async #readOpen(lane: Lane): Promise<readonly LaneMessage[]> {
    const { connection, stream, group, onError } = this.#options
    const { place } = lane
    const sequences = place.open
    const found = await readStored(connection, streamNameOf(stream), sequences)
    const there = new Set(found.map(sequenceOf))
    for (const sequence of sequences) {
      if (there.has(sequence)) continue
      place.done(sequence)
      const text = `group ${group}: message ${sequence} was taken out of stream ${stream} before it was applied.`
      onError(new AcuseError('ACUSE_HISTORY_GONE', text))
    }
    return found.flatMap((stored) => this.#take(lane, stored) ?? [])
  }

  async #pullAgain(lane: Lane): Promise<void> {
    const { connection, clock, group, stream, partition, types, mostWaiting } = this.#options
    if (this.#state !== 'reading') return
    lane.pull = new Pull({
      connection,
      clock,
      stream: streamNameOf(stream),
      name: `${tokenOf(group)}-${partition}-${lane.name}`,
      filter: filterOf(stream, partition, lane.name, types),
      most: mostWaiting,
      room: () => this.#room(lane),
      onMessage: (stored) => this.#onMessage(lane, stored),
      onPassed: (sequence) => this.#onPassed(lane, sequence),
      onEnd: (reason) => void this.#onPullEnd(lane, reason),
    })
    await lane.pull.start(lane.place.last)
  }

  /** A consumer is only a reader: the next one goes on where it was, if it still is the same stream. */
  async #onPullEnd(lane: Lane, reason: AcuseError): Promise<void> {
    if (this.#state !== 'reading') return
    try {
      if (++this.#pulls > mostPulls || !(await this.#options.keeper.isSameStream())) {
        this.fail(reason)
        return
      }
      this.#options.onError(reason)
      await this.#pullAgain(lane)
    } catch (error) {
      this.fail(this.#error(error))
    }
  }

  /** A partition that has nothing gets on too: what was taken out of the stream behind it was no loss. */
  #onPassed({ place }: Lane, sequence: number): void {
    if (place.passed(sequence) && ++this.#passes % passesPerStore === 0) this.#storeSoon()
  }

  #room({ partition, place, incoming }: Lane): number {
    if (place.openBytes >= mostOpenBytes) return 0
    return this.#options.mostWaiting - this.#options.intake.waiting(partition) - incoming.length
  }

  #onMessage(lane: Lane, stored: Stored): void {
    if (this.#state !== 'reading') return
    this.#pulls = 0
    const message = this.#take(lane, stored)
    if (message === undefined) {
      this.#storeSoon()
      this.#fillSoon()
      return
    }
    lane.incoming.push(message)
    this.#pump()
  }

  #take(lane: Lane, stored: Stored): LaneMessage | undefined {
    return take(lane, stored, this.#options.types, () => {
      this.#storeSoon()
      this.#fillSoon()
    })
  }

  /** Hands on what has come and is noted as begun, and notes more where that runs short. */
  #pump(): void {
    if (this.#state !== 'reading') return
    let isShort = false
    for (const { partition, place, incoming } of this.#lanes) {
      const firstNot = incoming.findIndex(({ sequence }) => !place.isNoted(sequence))
      const noted = incoming.splice(0, firstNot === -1 ? incoming.length : firstNot)
      if (noted.length > 0) this.#options.intake.add(partition, noted)
      if (incoming.length > 0 || place.isNearlyNoted) isShort = true
    }
    if (isShort) this.#storeNow()
    this.#fillSoon()
  }

  #storeNow(): void {
    if (this.#storing || this.#state === 'over') return
    this.#storing = true
    this.#cancelStore?.()
    this.#cancelStore = undefined
    this.#options.keeper.store().then(
      () => {
        this.#storing = false
        this.#pump()
      },
      (error: unknown) => this.fail(this.#error(error)),
    )
  }

  #storeSoon(): void {
    if (this.#cancelStore !== undefined || this.#state === 'over') return
    this.#cancelStore = this.#options.clock.after(storeEveryMs, () => {
      this.#cancelStore = undefined
      // One that is under way began before what is to be stored now.
      if (this.#storing) this.#storeSoon()
      else this.#storeNow()
    })
  }

  /** After what is waiting has been handed on. */
  #fillSoon(): void {
    if (this.#filling) return
    this.#filling = true
    setImmediate(() => {
      this.#filling = false
      if (this.#state === 'reading') for (const { pull } of this.#lanes) pull?.fill()
    })
  }

  #error(cause: unknown): AcuseError {
    const { group, stream, partition } = this.#options
    return asAcuseError(cause, `group ${group}, partition ${stream}/${partition}`)
  }
}

function sequenceOf({ sequence }: { readonly sequence: number }): number {
  return sequence
}
