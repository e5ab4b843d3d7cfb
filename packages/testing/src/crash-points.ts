import { channel } from 'node:diagnostics_channel'
import { appendFileSync, writeSync } from 'node:fs'
import { ConfigurationError } from '@acuse/core'

/** One pass of a process through a crash point, as a line of the log. */
export interface CrashPointHit {
  readonly point: string
  /** Which pass through this point, from 1. */
  readonly hit: number
  readonly pid: number
}

const stderr = 2

/**
 * Makes this process kill itself, as a power cut would, the nth time it passes a point: `relay.afterPublish:17`, several divided by commas,
 * the first time where no number is given. The points are those core reports on the diagnostics channel `acuse:point`.
 * With `logFile` (or `CRASH_POINTS_LOG`) every pass is appended to that file, one JSON object a line; the fatal one also goes to stderr.
 * Returns a function that disarms it. Throws `ACUSE_CONFIGURATION` for a text it cannot read.
 */
export function armCrashPoints(
  crashAt: string | undefined = process.env['CRASH_AT'],
  logFile: string | undefined = process.env['CRASH_POINTS_LOG'],
): () => void {
  const fatal = parse(crashAt ?? '')
  const hits = new Map<string, number>()

  function onPoint(message: unknown): void {
    const point = nameOf(message)
    if (point === undefined) return
    const hit = (hits.get(point) ?? 0) + 1
    hits.set(point, hit)
    const record: CrashPointHit = { point, hit, pid: process.pid }
    const line = `${JSON.stringify(record)}\n`
    // Written at once: the process may not live to flush anything.
    if (logFile !== undefined && logFile !== '') appendFileSync(logFile, line)
    if (fatal.get(point) !== hit) return
    writeSync(stderr, line)
    process.kill(process.pid, 'SIGKILL')
  }

  const points = channel('acuse:point')
  points.subscribe(onPoint)
  return () => {
    points.unsubscribe(onPoint)
  }
}

function parse(crashAt: string): ReadonlyMap<string, number> {
  const parts = crashAt.split(',').filter((part) => part.trim() !== '')
  return new Map(
    parts.map((part) => {
      const found = /^\s*([A-Za-z][\w.-]*)(?::([1-9]\d*))?\s*$/.exec(part)
      if (found?.[1] === undefined) {
        throw new ConfigurationError(`CRASH_AT must look like relay.afterPublish:17, not ${JSON.stringify(part)}.`)
      }
      return [found[1], Number(found[2] ?? 1)]
    }),
  )
}

function nameOf(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null || !('name' in message)) return undefined
  return typeof message.name === 'string' ? message.name : undefined
}
