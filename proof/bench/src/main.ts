import { mkdir, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { EmbeddedServer } from '@acuse/postgres/embedded'
import { isReached, type Measure, type Row } from './measure.ts'
import { measures } from './measures/measures.ts'
import { type BenchOptions, parseOptions, usage, UsageError } from './options.ts'
import { chartOf } from './chart.ts'
import { pageOf, type Setting } from './report-page.ts'
import { readSetting } from './setting.ts'
import { figuresText, tableOf } from './report.ts'
import { openBench } from './run.ts'
import { startServer } from './server.ts'

const picture = 'benchmarks.svg'
const names = measures.map(({ name }) => name)
const options = readOptions()
if (options !== undefined) await runBench(options)

function readOptions(): BenchOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2), names)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n\n${usage}\n\nMeasures: ${names.join(', ')}\n`)
    process.exitCode = 2
    return undefined
  }
}

async function runBench(given: BenchOptions): Promise<void> {
  if (given.profileIn !== undefined) await mkdir(given.profileIn, { recursive: true })
  const [loadBefore = 0] = loadavg()
  const server = await startServer()
  const rows: Row[] = []
  try {
    for (const measure of measures.filter((one) => isAsked(one, given))) {
      rows.push(...(await runMeasure(measure, server, given)))
    }
    if (given.write) {
      const run = { args: process.argv.slice(2), loadBefore }
      await writePage(rows, await readSetting(server.url(), given, run))
    }
  } finally {
    await server.stop()
  }
  process.stdout.write(given.json ? `${JSON.stringify(rows.map(withVerdict), null, 2)}\n` : `${textOf(rows)}\n`)
}

/** One that fails is told and fails the run in the end; the hour that the others take is not lost for it. */
async function runMeasure(measure: Measure, server: EmbeddedServer, given: BenchOptions): Promise<readonly Row[]> {
  await using bench = openBench(server, given, measure.name)
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

async function writePage(rows: readonly Row[], setting: Setting): Promise<void> {
  const docs = join(import.meta.dirname, '../../../docs')
  await writeFile(join(docs, 'benchmarks.md'), pageOf(rows, setting, picture))
  await writeFile(join(docs, picture), chartOf(rows))
}
