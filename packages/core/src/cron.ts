import { ConfigurationError } from './errors.ts'

interface Field {
  readonly name: string
  readonly least: number
  readonly most: number
}

const fields: readonly Field[] = [
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day of month', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12 },
  { name: 'day of week', least: 0, most: 7 },
]

/** When a cron expression is due. */
export interface CronTimes {
  /** The first time strictly after `after`. */
  next(after: Date): Date
}

/** Five years cover every 29 February that falls on a given weekday rule used in practice; further away means never. */
const furthestDays = 366 * 5

/**
 * Reads five fields (minute, hour, day of month, month, day of week) with `*`, lists, ranges and steps; 0 and 7 are Sunday.
 * Where both days are restricted, either matches, as in cron(5). Times are in `timeZone`, default UTC: a time that a change of
 * clocks skips does not fire that day, one that it repeats fires once. Throws `ACUSE_CONFIGURATION` with the field that is wrong.
 */
export function parseCron(expression: string, timeZone = 'UTC'): CronTimes {
  const parts = expression.trim().split(/\s+/)
  if (parts.length !== fields.length) {
    throw new ConfigurationError(`cron "${expression}" has ${parts.length} fields; five are needed.`)
  }
  const [minutes, hours, days, months, weekdays] = fields.map((field, index) =>
    parseField(parts[index] ?? '', field, expression),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>]
  if (weekdays.has(7)) weekdays.add(0)
  const eitherDay = parts[2] !== '*' && parts[4] !== '*'
  const zone = wallClock(timeZone)

  const dayMatches = (day: Date): boolean => {
    if (!months.has(day.getUTCMonth() + 1)) return false
    const inMonth = days.has(day.getUTCDate())
    const inWeek = weekdays.has(day.getUTCDay())
    return eitherDay ? inMonth || inWeek : inMonth && inWeek
  }

  return {
    next(after) {
      // Wall-clock times are handled as if they were UTC, and turned into real moments only to be compared.
      const start = new Date(zone.wallOf(after))
      const day = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate()))
      for (let count = 0; count <= furthestDays; count++, day.setUTCDate(day.getUTCDate() + 1)) {
        if (!dayMatches(day)) continue
        for (const hour of hours) {
          for (const minute of minutes) {
            const wall = day.getTime() + (hour * 60 + minute) * 60_000
            const moment = zone.momentOf(wall)
            if (moment !== undefined && moment > after.getTime()) return new Date(moment)
          }
        }
      }
      throw new ConfigurationError(`cron "${expression}" is never due.`)
    },
  }
}

function parseField(text: string, field: Field, expression: string): Set<number> {
  const values = new Set<number>()
  for (const part of text.split(',')) {
    const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part)
    if (match === null) throw wrong(expression, field, part)
    const [, from, to, every] = match
    const least = from === undefined ? field.least : Number(from)
    const most = to !== undefined ? Number(to) : from === undefined || every !== undefined ? field.most : least
    const step = every === undefined ? 1 : Number(every)
    if (least < field.least || most > field.most || least > most || step < 1) throw wrong(expression, field, part)
    for (let value = least; value <= most; value += step) values.add(value)
  }
  return new Set([...values].toSorted((a, b) => a - b))
}

function wrong(expression: string, field: Field, part: string): ConfigurationError {
  return new ConfigurationError(
    `cron "${expression}": "${part}" is no ${field.name}; allowed are ${field.least} to ${field.most}, *, lists, ranges and steps.`,
  )
}

interface WallClock {
  wallOf(moment: Date): number
  momentOf(wall: number): number | undefined
}

function wallClock(timeZone: string): WallClock {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    throw new ConfigurationError(`"${timeZone}" is not a time zone; use a name such as "America/Lima".`)
  }
  const wallOf = (moment: Date): number => {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
    for (const { type, value } of format.formatToParts(moment)) parts[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
  const momentOf = (wall: number): number | undefined => {
    // The offset changes by at most a few hours within a day, so one of these two offsets is right, or the time does not exist.
    for (const around of [wall - 86_400_000, wall + 86_400_000]) {
      const moment = wall - (wallOf(new Date(around)) - around)
      if (wallOf(new Date(moment)) === wall) return moment
    }
    return undefined
  }
  return { wallOf, momentOf }
}
