import { mkdir, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { chartOf } from './chart.ts'
import { isReached, type Measure, type Row } from './measure.ts'
import { type BenchOptions, parseOptions, usage, UsageError } from './options.ts'
import { figuresText, tableOf } from './report.ts'
import { pageOf, type Setting } from './report-page.ts'
import { openBench, type Servers } from './run.ts'
import { startServer } from './server.ts'
import { readSetting } from './setting.ts'
import { type Subject, subjects } from './subjects.ts'

const options = readOptions()
const subject = subjects.find(({ name }) => name === options?.subject)
if (options !== undefined && subject !== undefined) await runBench(subject, options)

function readOptions(): BenchOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2), subjects)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const measures = subjects.map(({ name, measures: all }) => `${name}: ${all.map((one) => one.name).join(', ')}`)
    process.stderr.write(`${error.message}\n\n${usage}\n\nMeasures:\n  ${measures.join('\n  ')}\n`)
    process.exitCode = 2
    return undefined
  }
}

async function runBench({ measures, broker: kind, page }: Subject, given: BenchOptions): Promise<void> {
  if (given.profileIn !== undefined) await mkdir(given.profileIn, { recursive: true })
  const [loadBefore = 0] = loadavg()
  const postgres = await startServer()
  const rows: Row[] = []
  try {
    await using broker = await kind?.start()
    const servers: Servers = { postgres, broker }
    for (const measure of measures.filter((one) => isAsked(one, given))) {
      rows.push(...(await runMeasure(measure, servers, given)))
    }
    if (given.write) {
      const run = { args: process.argv.slice(2), loadBefore }
      await writePage(rows, page, await readSetting(servers, kind, given, run))
    }
  } finally {
    await postgres.stop()
  }
  process.stdout.write(given.json ? `${JSON.stringify(rows.map(withVerdict), null, 2)}\n` : `${textOf(rows)}\n`)
}

/** One that fails is told and fails the run in the end; the hour that the others take is not lost for it. */
async function runMeasure(measure: Measure, servers: Servers, given: BenchOptions): Promise<readonly Row[]> {
  await using bench = openBench(servers, given, measure.name)
  bench.say(measure.name)
  try {
    return await measure.run(bench)
  } catch (error) {
    bench.say(`${measure.name} failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
    return []
  }
}

function isAsked({ name, long }: Measure, { only, full }: BenchOptions): boolean {
  return only.length > 0 ? only.includes(name) : full || long !== true
}

function withVerdict(row: Row): Row & { readonly reached: boolean } {
  return { ...row, reached: isReached(row) }
}

function textOf(rows: readonly Row[]): string {
  const figures = rows.map((row) => `${row.what}\n  ${figuresText(row)}\n  ${row.includes}`)
  return `\n${tableOf(rows)}\n\n${[...new Set(figures)].join('\n')}`
}

async function writePage(rows: readonly Row[], page: string, setting: Setting): Promise<void> {
  const docs = join(import.meta.dirname, '../../../docs')
  const picture = `${page}.svg`
  await writeFile(join(docs, `${page}.md`), pageOf(rows, setting, picture))
  await writeFile(join(docs, picture), chartOf(rows))
}
