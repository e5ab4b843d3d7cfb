import { isReached, type Row, type Unit } from './measure.ts'

/** The result as a table for the terminal. */
export function tableOf(rows: readonly Row[]): string {
  const cells = [
    ['', 'measured', 'spread', 'reach', ''],
    ...rows.map((row) => [
      titleOf(row),
      valueOf(row),
      spreadText(row),
      reachOf(row),
      isReached(row) ? 'reached' : 'missed',
    ]),
  ]
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function titleOf({ what, against }: Row): string {
  return against === undefined ? what : `${what}, against ${against}`
}

export function valueOf({ value, unit }: Row): string {
  return withUnit(value.median, unit)
}

export function spreadText({ value, unit }: Row): string {
  return `${numeral(value.least)} – ${withUnit(value.most, unit)}`
}

export function reachOf({ reach, unit }: Row): string {
  return 'atLeast' in reach ? `≥ ${withUnit(reach.atLeast, unit)}` : `< ${withUnit(reach.below, unit)}`
}

/** What was measured on the way, as `name 1,234`. */
export function figuresText({ figures }: Row): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${numeral(value)}`)
    .join(', ')
}

function withUnit(value: number, unit: Unit): string {
  return unit === 'times' ? `${numeral(value)} ×` : `${numeral(value)} ${unit}`
}

/** Three digits are what a noisy machine can show. */
export function numeral(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(value >= 10 ? 1 : 2)
}
