import { counted, duration, grouped, milliseconds, pounds } from './numbers.ts'
import { paintFor } from './paint.ts'
import type { Paint, Style } from './paint.ts'
import { bar } from './render.ts'
import type { Summary } from './summary-type.ts'

const LABEL_WIDTH = 18
const BAR_WIDTH = 32

/** The summary for a person. In colour when the terminal shows colours; pass `plain` for text alone. */
export function formatSummary(summary: Summary, paint: Paint = paintFor(process.stdout)): string {
  const sections = [
    verdict(summary, paint),
    orders(summary, paint),
    messages(summary, paint),
    balances(summary, paint),
    addresses(summary, paint),
  ]
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

/** The summary for a program: JSON on one line. */
export function summaryJson(summary: Summary): string {
  return JSON.stringify(summary)
}

function verdict(summary: Summary, paint: Paint): string[] {
  const { faults, problems } = summary
  const run = `${counted(summary.orders.total, 'order')} in ${duration(summary.seconds)}, ${counted(faults.kills, 'kill')}, ${counted(faults.restarts, 'restart')}`
  const word = summary.ok ? paint('green', 'All is well') : paint('red', 'Something is wrong')
  return [`${word}: ${run}`, ...problems.map((problem) => paint('red', `  ✗ ${problem}`))]
}

function orders({ orders: counts, rejectedLines }: Summary, paint: Paint): string[] {
  const states: [string, number, Style][] = [
    ['confirmed', counts.confirmed, 'green'],
    ['out of stock', counts.outOfStock, 'yellow'],
    ['payment refused', counts.paymentRefused, 'yellow'],
    ['payment timed out', counts.paymentTimedOut, 'yellow'],
    ['cancelled', counts.cancelled, 'yellow'],
    ['expired', counts.expired, 'yellow'],
    ['not accepted', counts.rejectedBeforeOrder, 'yellow'],
    ['open', counts.open, 'red'],
  ]
  const most = Math.max(1, ...states.map(([, count]) => count))
  const width = Math.max(...states.map(([, count]) => grouped(count).length))
  const lines = states.map(([name, count, style]) => {
    // One order among thousands still shows.
    const share = count === 0 ? 0 : Math.max(count / most, 1 / (BAR_WIDTH * 8))
    const drawn = bar(share, BAR_WIDTH).trimEnd()
    return row(name, `${grouped(count).padStart(width)}${drawn === '' ? '' : ` ${paint(style, drawn)}`}`)
  })
  return [paint('bold', 'Orders'), ...lines, row('input', `${counted(rejectedLines, 'line')} could not be used`)]
}

function messages(summary: Summary, paint: Paint): string[] {
  const { messages: sent, latencyMs, correctness } = summary
  const rate = summary.seconds > 0 ? ` (${grouped(sent.applied / summary.seconds)}/s)` : ''
  const wrong = Object.values(correctness).some((count) => count > 0)
  const proof = `${grouped(correctness.lost)} lost, ${grouped(correctness.duplicated)} duplicated, ${grouped(correctness.outOfOrder)} out of order`
  return [
    paint('bold', 'Messages'),
    row('transport', summary.transport),
    row('published', grouped(sent.published)),
    row('applied', `${grouped(sent.applied)}${rate}`),
    row('failures', `${counted(summary.retries, 'retry', 'retries')}, ${counted(summary.deadLetters, 'dead letter')}`),
    row('commit to effect', latencyMs.count === 0 ? 'not measured' : quantiles(latencyMs)),
    row('correctness', paint(wrong ? 'red' : 'green', proof)),
  ]
}

function quantiles(latencyMs: Summary['latencyMs']): string {
  const { p50, p95, p99, max, count } = latencyMs
  const parts = [
    `p50 ${milliseconds(p50)}`,
    `p95 ${milliseconds(p95)}`,
    `p99 ${milliseconds(p99)}`,
    `max ${milliseconds(max)}`,
  ]
  return `${parts.join(', ')} (${grouped(count)} measured)`
}

function balances({ money, stock }: Summary, paint: Paint): string[] {
  const twice = paint(money.doubleCharges > 0 ? 'red' : 'green', counted(money.doubleCharges, 'double charge'))
  return [
    paint('bold', 'Balances'),
    row('money', `${pounds(money.chargedCents)} charged, ${pounds(money.refundedCents)} refunded, ${twice}`),
    row('', `${pounds(money.confirmedCents)} confirmed: ${balance(money.balanced, paint)}`),
    row(
      'stock',
      `${grouped(stock.available)} available, ${grouped(stock.reserved)} reserved, ${grouped(stock.sold)} sold`,
    ),
    row('', `${grouped(stock.initial)} at first: ${balance(stock.balanced, paint)}`),
  ]
}

function balance(balanced: boolean, paint: Paint): string {
  return balanced ? paint('green', 'balanced') : paint('red', 'not balanced')
}

function addresses({ addresses: at }: Summary, paint: Paint): string[] {
  return [paint('bold', 'Addresses'), ...Object.entries(at).map(([name, url]) => row(name, paint('cyan', url)))]
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)} ${text}`
}
