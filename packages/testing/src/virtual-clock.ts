import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Clock, ConfigurationError } from '@acuse/core'

/** A span of time; the parts are added up. */
export interface Duration {
  readonly days?: number
  readonly hours?: number
  readonly minutes?: number
  readonly seconds?: number
  readonly ms?: number
}

/** A clock that stands still until it is told to move. */
export interface VirtualClock extends Clock {
  /**
   * Moves time forward. Due timers fire in order of their time, then of their creation; between two of them everything that needs no time
   * runs to its end. Input and output (files, sockets) is real and is not waited for.
   * Throws `ACUSE_CONFIGURATION` for a negative or infinite duration.
   */
  advance(duration: Duration): Promise<void>
  /** Lets everything run that needs no time: promises, `setImmediate`, and timers that are due already. */
  settle(): Promise<void>
}

interface Timer {
  readonly dueAt: number
  readonly callback: () => void
}

/** Turns of the event loop without a pending `setImmediate` before it counts as quiet. A turn costs about 1 µs. */
const quietTurns = 2
/** A chain of 100,000 turns (0.1 s) without any time passing is a loop that waits for something else than the clock. */
const mostTurns = 100_000

/** Makes a virtual clock; it starts at `start`, by default 2030-01-01T00:00:00Z. */
export function createVirtualClock(start: Date = new Date('2030-01-01T00:00:00Z')): VirtualClock {
  let nowMs = start.getTime()
  /** Sorted by due time; among equals the older timer comes first. */
  const timers: Timer[] = []

  function after(delayMs: number, callback: () => void): () => void {
    // What is not a number fires at once, as it does with setTimeout.
    const timer: Timer = { dueAt: nowMs + (delayMs > 0 ? delayMs : 0), callback }
    let at = timers.length
    while (at > 0 && (timers[at - 1]?.dueAt ?? 0) > timer.dueAt) at--
    timers.splice(at, 0, timer)
    return () => {
      const index = timers.indexOf(timer)
      if (index !== -1) timers.splice(index, 1)
    }
  }

  /** One move at a time, so that nothing fires before the work of the timer before it is done. */
  let moving: Promise<void> = Promise.resolve()

  function moveTo(target: number): Promise<void> {
    const move = moving.then(() => fireUntil(target))
    moving = move.catch(() => undefined)
    return move
  }

  async function fireUntil(target: number): Promise<void> {
    await quiet()
    for (let atThisTime = 0; ;) {
      const next = timers[0]
      if (next === undefined || next.dueAt > target) break
      timers.shift()
      atThisTime = next.dueAt > nowMs ? 0 : atThisTime + 1
      if (atThisTime > mostTurns) throw restless('timers without a delay')
      nowMs = Math.max(nowMs, next.dueAt)
      next.callback()
      await quiet()
    }
    nowMs = Math.max(nowMs, target)
  }

  return {
    now: () => nowMs,
    after,
    advance: async (duration) => moveTo(nowMs + toMs(duration)),
    settle: () => moveTo(nowMs),
  }
}

/** The length of a duration, ms. Throws `ACUSE_CONFIGURATION` for a negative or infinite one. */
export function toMs({ days = 0, hours = 0, minutes = 0, seconds = 0, ms = 0 }: Duration): number {
  const total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + ms
  if (!Number.isFinite(total) || total < 0) {
    throw new ConfigurationError(`advance needs a finite duration of at least 0 ms, not ${total}.`)
  }
  return total
}

/** Shared by all clocks of the process: two that waited apart would each take the other for work. */
let becomingQuiet: Promise<void> | undefined

function quiet(): Promise<void> {
  becomingQuiet ??= waitForQuiet().finally(() => {
    becomingQuiet = undefined
  })
  return becomingQuiet
}

/** One turn drains every promise that is ready; only a pending `setImmediate` can start more work without time or input. */
async function waitForQuiet(): Promise<void> {
  let quietFor = 0
  for (let turn = 0; turn < mostTurns; turn++) {
    await nextTurn()
    quietFor = process.getActiveResourcesInfo().includes('Immediate') ? 0 : quietFor + 1
    if (quietFor === quietTurns) return
  }
  throw restless('setImmediate')
}

function restless(cause: string): ConfigurationError {
  return new ConfigurationError(
    `The virtual clock does not come to rest: ${cause} kept starting more work ${mostTurns} times while time stood still.`,
  )
}
