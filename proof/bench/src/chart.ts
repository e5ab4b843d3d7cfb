import { isReached, type Row } from './measure.ts'
import { reachOf, titleOf, valueOf } from './report.ts'

const width = 960
const lineHeight = 26
const labelWidth = 500
const barWidth = 320
const top = 40
/** Longer bars are cut: what is reached three times over is reached. */
const mostShown = 3

/** A bar for each row: its length is how much of what it has to reach is there, and the line is where that is all. */
export function chartOf(rows: readonly Row[]): string {
  const height = top + rows.length * lineHeight + 16
  const goal = labelWidth + barWidth / mostShown
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${goal}" y="22" text-anchor="middle" fill="#444444">to reach</text>`,
    ...rows.flatMap((row, index) => bar(row, top + index * lineHeight)),
    `<line x1="${goal}" y1="${top - 10}" x2="${goal}" y2="${height - 10}" stroke="#444444" stroke-dasharray="4 3"/>`,
    '</svg>',
    '',
  ].join('\n')
}

function bar(row: Row, y: number): string[] {
  const length = (Math.min(shareReached(row), mostShown) / mostShown) * barWidth
  const colour = isReached(row) ? '#2f7d4f' : '#b5522b'
  const text = `${valueOf(row)} (${reachOf(row)})`
  return [
    `<text x="${labelWidth - 10}" y="${y + 14}" text-anchor="end" fill="#222222">${escaped(titleOf(row))}</text>`,
    `<rect x="${labelWidth}" y="${y + 2}" width="${Math.max(1, length).toFixed(1)}" height="16" fill="${colour}"/>`,
    `<text x="${width - 10}" y="${y + 14}" text-anchor="end" fill="#222222">${escaped(text)}</text>`,
  ]
}

/** 1 is just reached; more is better, also where less is. */
function shareReached({ value, reach }: Row): number {
  if ('atLeast' in reach) return value.median / reach.atLeast
  return value.median === 0 ? mostShown : reach.below / value.median
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
