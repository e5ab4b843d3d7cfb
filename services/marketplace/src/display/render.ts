import { counted, duration, grouped } from './numbers.ts'
import { plain } from './paint.ts'
import type { Paint, Style } from './paint.ts'

/** Where a run is now. */
export interface ProgressState {
  /** Seconds since the run began. */
  seconds: number
  /** `total` is `null` while the end of the input is not known. */
  orders: { total: number | null; placed: number; confirmed: number; cancelled: number; failed: number }
  messagesPerSecond: number
  retries: number
  deadLetters: number
  faults: number
  services: readonly { name: string; state: 'up' | 'down' | 'starting' }[]
}

type Piece = string | readonly [Style, string]

const STATE_STYLES = { up: 'green', starting: 'yellow', down: 'red' } as const
const STATE_MARKS = { up: '●', starting: '◐', down: '○' } as const

/** The live block, line by line; no line is wider than `width` columns. */
export function render(state: ProgressState, width: number, paint: Paint = plain): string[] {
  const { orders } = state
  const share = orders.total ? Math.min(1, orders.placed / orders.total) : 0
  const of = orders.total === null ? '' : ` of ${grouped(orders.total)}`
  const lines: Piece[][] = [
    [['bold', 'orders   '], `${bar(share, 24)} ${grouped(orders.placed)}${of} placed in ${duration(state.seconds)}`],
    [
      '         ',
      ['green', `${grouped(orders.confirmed)} confirmed`],
      ` · ${grouped(orders.cancelled)} cancelled · `,
      alarming(orders.failed, `${grouped(orders.failed)} failed`),
    ],
    [
      ['bold', 'messages '],
      `${grouped(state.messagesPerSecond)}/s · ${counted(state.retries, 'retry', 'retries')} · `,
      alarming(state.deadLetters, counted(state.deadLetters, 'dead letter')),
      ` · ${counted(state.faults, 'fault')}`,
    ],
    [['bold', 'services '], ...state.services.flatMap(servicePieces)],
  ]
  return lines.map((pieces) => fitted(pieces, width, paint))
}

/** The same in one line, for a log. */
export function renderLine(state: ProgressState): string {
  const { orders } = state
  const of = orders.total === null ? '' : `/${orders.total}`
  const down = state.services
    .filter((service) => service.state !== 'up')
    .map(({ name, state: now }) => `${name} ${now}`)
  return [
    duration(state.seconds),
    `placed ${orders.placed}${of}`,
    `confirmed ${orders.confirmed}`,
    `cancelled ${orders.cancelled}`,
    `failed ${orders.failed}`,
    `${Math.round(state.messagesPerSecond)} messages/s`,
    `retries ${state.retries}`,
    `dead letters ${state.deadLetters}`,
    `faults ${state.faults}`,
    ...down,
  ].join(', ')
}

/** A bar of `width` columns, a share of it full, to an eighth of a column. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8)
  const full = '█'.repeat(Math.floor(eighths / 8))
  const part = ' ▏▎▍▌▋▊▉'.charAt(eighths % 8)
  return (eighths % 8 === 0 ? full : full + part).padEnd(width, ' ')
}

function servicePieces({ name, state }: ProgressState['services'][number], index: number): Piece[] {
  const note = state === 'up' ? '' : ` ${state}`
  return [index === 0 ? '' : '  ', [STATE_STYLES[state], `${STATE_MARKS[state]} ${name}${note}`]]
}

function alarming(count: number, text: string): Piece {
  return count > 0 ? ['red', text] : text
}

// A line wider than the terminal wraps, and the next redraw would then start in the middle of the block.
function fitted(pieces: readonly Piece[], width: number, paint: Paint): string {
  let left = width
  let line = ''
  for (const piece of pieces) {
    const [style, text] = typeof piece === 'string' ? [undefined, piece] : piece
    const cut = text.slice(0, left)
    left -= cut.length
    if (cut !== '') line += style === undefined ? cut : paint(style, cut)
  }
  return line.trimEnd()
}
