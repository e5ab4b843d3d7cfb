import { paintFor } from './paint.ts'
import { render, renderLine } from './render.ts'
import type { ProgressState } from './render.ts'

/** Where the display writes: a terminal, a file, a pipe. */
export interface ProgressOutput {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
}

/** Time as the display needs it; tests bring their own. */
export interface ProgressClock {
  now(): number
  /** Runs a task once, later; the answer takes it back. */
  after(ms: number, task: () => void): () => void
}

export interface Progress {
  /** Shows a state, now or as soon as the display's rate allows. Cheap: call it as often as things change. */
  update(state: ProgressState): void
  /** Writes a line of its own, above the live block. */
  note(text: string): void
  /** Shows the last state and leaves it standing. Nothing is written afterwards. */
  end(): void
}

/** Five redraws a second look live and cost next to nothing; a log wants a line every two seconds. */
const TERMINAL_INTERVAL_MS = 200
const LOG_INTERVAL_MS = 2_000

const systemClock: ProgressClock = {
  now: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    // A display is no reason for a process to live on.
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Shows progress: a block redrawn in place on a terminal, a plain line every two seconds elsewhere. */
export function createProgress(output: ProgressOutput = process.stdout, clock: ProgressClock = systemClock): Progress {
  const live = output.isTTY === true
  const paint = paintFor(output)
  const intervalMs = live ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS
  let newest: ProgressState | undefined
  /** Whether `newest` still has to be drawn. */
  let stale = false
  let drawnLines = 0
  let drawnAt = -Infinity
  let takeBack: (() => void) | undefined
  let ended = false

  const erase = (): string => {
    const back = drawnLines > 0 ? `\u001b[${drawnLines}A\u001b[0J` : ''
    drawnLines = 0
    return back
  }
  const draw = (): void => {
    takeBack?.()
    takeBack = undefined
    if (newest === undefined || !stale) return
    const lines = live ? render(newest, (output.columns ?? 80) - 1, paint) : [renderLine(newest)]
    output.write(`${erase()}${lines.join('\n')}\n`)
    drawnLines = live ? lines.length : 0
    drawnAt = clock.now()
    stale = false
  }

  return {
    update(state) {
      if (ended) return
      newest = state
      stale = true
      const waitMs = drawnAt + intervalMs - clock.now()
      if (waitMs <= 0) draw()
      else takeBack ??= clock.after(waitMs, draw)
    },
    note(text) {
      if (ended) return
      const blockStands = drawnLines > 0
      output.write(`${erase()}${text}\n`)
      if (!blockStands) return
      stale = true
      draw()
    },
    end() {
      if (ended) return
      ended = true
      draw()
    },
  }
}
