import { AcuseError, type Bus } from '@acuse/core'
import { armCrashPoints } from '@acuse/testing'
import type { WriteLine } from './worker-log.ts'

/** What the controller sends to a process. */
export type Ask =
  /** Die at this point, in the words of `CRASH_AT`. */
  | { readonly ask: 'arm'; readonly crashAt: string }
  | { readonly ask: 'standing'; readonly number: number }
  /** Fail no more. */
  | { readonly ask: 'cure'; readonly number: number }
  /** Run the dead letters again. */
  | { readonly ask: 'replay'; readonly number: number }
  /** No point that was armed kills any more. */
  | { readonly ask: 'disarm' }
  /** Nothing more is published. */
  | { readonly ask: 'quiet' }

export interface DeadEntry {
  readonly id: string
  readonly group: string
  readonly reason: string
  readonly attempts: number
  readonly error: string
}

/** What waits and what is dead in a service's store. */
export interface Standing {
  readonly parked: Readonly<Record<string, number>>
  readonly dead: readonly DeadEntry[]
}

export type Answer =
  | { readonly answer: 'ready' }
  | { readonly answer: 'standing'; readonly number: number; readonly standing: Standing }
  | { readonly answer: 'cured'; readonly number: number }
  | { readonly answer: 'replayed'; readonly number: number; readonly count: number }
  | { readonly answer: 'failed'; readonly number: number; readonly text: string }

export interface Asked {
  onCure(): void
  onQuiet(): void
}

/** Answers the controller, and ends with it. */
export function serveParent<Tx>(bus: () => Bus<Tx>, write: WriteLine, asked: Asked): void {
  const armed: (() => void)[] = []
  process.on('message', (message: Ask) => {
    if (message.ask === 'arm') armed.push(armCrashPoints(message.crashAt, ''))
    else if (message.ask === 'disarm') for (const disarm of armed.splice(0)) disarm()
    else if (message.ask === 'quiet') asked.onQuiet()
    else void answer(bus(), message, asked)
  })
  process.on('disconnect', () => process.exit(1))
  // What kills a process of the run is the run; anything else is to be seen in its log.
  process.on('uncaughtExceptionMonitor', (error) => write({ event: 'uncaught', text: error.stack ?? error.message }))
}

export function tellParent(message: Answer): void {
  process.send?.(message)
}

async function answer<Tx>(
  bus: Bus<Tx>,
  message: Extract<Ask, { readonly number: number }>,
  asked: Asked,
): Promise<void> {
  const { number } = message
  try {
    if (message.ask === 'standing') tellParent({ answer: 'standing', number, standing: await standingOf(bus) })
    else if (message.ask === 'replay') {
      tellParent({ answer: 'replayed', number, count: await bus.deadLetters.replay({ limit: mostLetters }) })
    } else {
      asked.onCure()
      tellParent({ answer: 'cured', number })
    }
  } catch (error) {
    tellParent({ answer: 'failed', number, text: error instanceof Error ? error.message : String(error) })
  }
}

const mostLetters = 1_000_000

async function standingOf<Tx>(bus: Bus<Tx>): Promise<Standing> {
  const { groups } = await bus.state()
  const letters = await bus.deadLetters.list({ state: 'dead', limit: mostLetters })
  const parked: Record<string, number> = {}
  for (const group of groups) {
    parked[group.group] = Object.values(group.parked).reduce((sum: number, count) => sum + (count ?? 0), 0)
  }
  return {
    parked,
    dead: letters.map(({ message, group, reason, attempts, error }) => ({
      id: message.id,
      group,
      reason,
      attempts,
      error: error.message,
    })),
  }
}

/** Starts a bus anew until it comes up: the database may be away just now. */
export async function startUntilUp<Tx>(makeBus: () => Bus<Tx>, write: WriteLine): Promise<Bus<Tx>> {
  for (;;) {
    const bus = makeBus()
    try {
      await bus.start()
      return bus
    } catch (error) {
      write({ event: 'start failed', text: String(error) })
      if (!(error instanceof AcuseError) || !error.retryable) throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}
