import { figuresText, numeral, reachOf, spreadText, titleOf, valueOf } from './report.ts'
import { isReached, type Row } from './measure.ts'

/** What a result depends on beside the code. */
export interface Setting {
  /** The broker that is measured; null where it is PostgreSQL alone. */
  readonly title: string | null
  /** Year, month and day. */
  readonly date: string
  readonly processors: string
  readonly memoryGb: number
  readonly system: string
  /** What else the machine had to do: its load average of one minute when the run began. */
  readonly loadBefore: number
  /** Names with their versions, e.g. `PostgreSQL 18.4`. */
  readonly versions: readonly string[]
  readonly serverSettings: Readonly<Record<string, string>>
  readonly command: string
  readonly sliceSeconds: number
  readonly rounds: number
}

/** A page of docs, whole. */
export function pageOf(rows: readonly Row[], setting: Setting, picture: string): string {
  return [
    setting.title === null ? '# Benchmarks' : `# Benchmarks: ${setting.title}`,
    '',
    'This page is written by the run that it describes:',
    '',
    '```sh',
    setting.command,
    '```',
    '',
    introduction(setting),
    '',
    `![How each measure compares with what it has to reach](${picture})`,
    '',
    ...table(rows),
    '',
    ...processorTimes(rows),
    '## What each figure includes',
    '',
    ...notes(rows),
    '',
  ].join('\n')
}

function introduction(setting: Setting): string {
  const { title, date, processors, memoryGb, system, loadBefore, versions, serverSettings, sliceSeconds, rounds } =
    setting
  const settings = Object.entries(serverSettings).map(([name, value]) => `\`${name} = ${value}\``)
  return [
    `${date}, ${processors}, ${memoryGb} GB, ${system}, load average before the run ${loadBefore.toFixed(1)};`,
    `${versions.join(', ')}. All contestants are on ${title === null ? '' : `one ${title} and `}one embedded PostgreSQL with fsync on and ${settings.join(', ')},`,
    'each in a process and a database of its own, with payloads of about 200 bytes. They take turns in slices of',
    `${sliceSeconds} s, A B C A B C …; after a round of warming up, ${rounds} rounds count. A ratio is the median of the rounds’ ratios,`,
    'and its spread the least and the most of them. Figures a second are for this machine and only comparable with one',
    'another; on a machine with other work to do even the ratios are coarse.',
  ].join('\n')
}

function table(rows: readonly Row[]): string[] {
  const cells = rows.map((row) => [
    titleOf(row),
    valueOf(row),
    spreadText(row),
    reachOf(row),
    isReached(row) ? 'reached' : '**missed**',
    figuresText(row),
  ])
  return [
    '| measure | median | spread | to reach | | messages a second |',
    '| --- | --- | --- | --- | --- | --- |',
    ...cells.map((line) => `| ${line.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`),
  ]
}

/** Nothing where the machine does not count. */
function processorTimes(rows: readonly Row[]): string[] {
  const byWhat = new Map(rows.map(({ what, costs = {} }) => [what, Object.entries(costs)]))
  const withBroker = rows.some(({ costs = {} }) => Object.values(costs).some(({ broker }) => broker > 0))
  const parts = withBroker ? (['client', 'server', 'broker'] as const) : (['client', 'server'] as const)
  const lines = [...byWhat].flatMap(([what, costs]) =>
    costs
      .filter(([, { client, server, broker }]) => client + server + broker > 0)
      .map(([name, cost]) => [what, name, ...parts.map((part) => numeral(cost[part]))]),
  )
  if (lines.length === 0) return []
  return [
    '## Where the time goes',
    '',
    withBroker
      ? 'Processor time a message, in µs: in the contestant’s own processes, in PostgreSQL’s, and in the broker’s.'
      : 'Processor time a message (an order, for the checkout), in µs: in the contestant’s own processes, and in the server’s.',
    'What warms up is taken to cost as much as what counts. Several subscriptions count as one here, so theirs is what the slowest one’s messages cost.',
    '',
    `| measure | contestant | ${parts.join(' | ')} |`,
    `| --- | --- |${' ---: |'.repeat(parts.length)}`,
    ...lines.map((line) => `| ${line.join(' | ')} |`),
    '',
  ]
}

function notes(rows: readonly Row[]): string[] {
  const byWhat = new Map(rows.map(({ what, includes }) => [what, includes]))
  return [...byWhat].map(([what, includes]) => `- **${what}**: ${includes}`)
}
