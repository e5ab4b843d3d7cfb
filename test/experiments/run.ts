import { startEmbedded } from '@acuse/postgres/embedded'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { experiments } from './all.ts'
import type { Experiment, Result, Size } from './experiment.ts'
import { World } from './world.ts'

/**
 * Runs one experiment by hand: `npm run chaos:experiment -- I9 --whole --set messages=50000 --json`.
 * Its last line is one JSON object with the figures. Exits with 1 where the guarantee does not hold.
 */
const usage = `usage: npm run chaos:experiment -- <${experiments.map(({ name }) => name).join('|')}> [--whole] [--set name=number ...] [--url postgres://…] [--json]`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    whole: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    set: { type: 'string', multiple: true, default: [] },
    url: { type: 'string' },
  },
})

const asked = experiments.find(({ name }) => name === positionals[0])
if (asked === undefined) {
  process.stderr.write(`${usage}\n`)
  process.exitCode = 2
} else {
  const say = values.json
    ? (): void => undefined
    : (progress: string): void => void process.stderr.write(`${progress}\n`)
  const size = { ...(values.whole ? asked.whole : asked.small), ...settingsOf(asked, values.set) }
  const result = await (values.url === undefined ? onOwnServer : runOn(values.url))(asked, size, say)
  process.exitCode = result.broken.length === 0 ? 0 : 1
}

type Run = (one: Experiment, size: Size, say: (progress: string) => void) => Promise<Result>

function settingsOf({ name, small }: Experiment, pairs: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [setting = '', text = ''] = pair.split('=')
      const value = Number(text)
      if (!(setting in small) || text === '' || !Number.isFinite(value)) {
        throw new Error(`${name} has no setting ${pair}; there are ${Object.keys(small).join(', ')}, each a number.`)
      }
      return [setting, value]
    }),
  )
}

/** A PostgreSQL that comes along, in a folder of its own, gone at the end. */
async function onOwnServer(...run: Parameters<Run>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-experiment-'))
  // Started by root, the server runs as a user of its own, which must get through to its data.
  await chmod(folder, 0o755)
  const server = await startEmbedded({ folder, settings: { max_connections: '200' } })
  try {
    return await runOn(server.url())(...run)
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function runOn(url: string): Run {
  return async (one, size, say) => {
    say(`${one.name}: ${one.title}\n${JSON.stringify(size)}`)
    const world = await World.open(url, say)
    const began = performance.now()
    try {
      const result = await one.run(world, size)
      for (const what of result.broken) say(`does not hold: ${what}`)
      const seconds = Math.round((performance.now() - began) / 1_000)
      const document = { experiment: one.name, holds: result.broken.length === 0, seconds, size, ...result }
      process.stdout.write(`${JSON.stringify(document)}\n`)
      return result
    } finally {
      await world.close()
    }
  }
}
