import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutations } from './mutations/list.ts'
import { type Outcome, outcomeLine } from './mutations/outcome.ts'
import { tryMutation } from './mutations/try-mutation.ts'
import { startServer } from './scene.ts'

const help = `Plants bugs in the product, one at a time, and fails unless the chaos run notices every one.

  npm run chaos:mutations

Options
  --only TEXT   those whose names contain the text
  --seed N      default 1
  --json        nothing but a line of JSON on standard output; all else goes to standard error
`

const interruptedBySignal = 130
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const output = values.json ? process.stderr : process.stdout
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => (stop.signal.aborted ? process.exit(interruptedBySignal) : stop.abort()))
}

if (values.help) process.stdout.write(help)
else process.exitCode = await main()

async function main(): Promise<number> {
  const chosen = mutations.filter(({ name }) => name.includes(values.only))
  const folder = await mkdtemp(join(tmpdir(), 'acuse-mutations-'))
  const server = await startServer(join(folder, 'postgres'))
  const shared = { server, cache: join(folder, 'compiled') }
  const outcomes: Outcome[] = []
  try {
    for (const mutation of chosen) {
      // What a run with a bug tells of itself is of no interest as long as it tells.
      const quiet = { write: () => true }
      const outcome = await tryMutation(mutation, { seed: Number(values.seed), shared, output: quiet }, stop.signal)
      outcomes.push(outcome)
      output.write(`${outcomeLine(outcome)}\n`)
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
    output.write('stopped\n')
    return interruptedBySignal
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const missed = outcomes.filter(({ caught }) => !caught).map(({ name }) => name)
  output.write(`${outcomes.length - missed.length} of ${outcomes.length} caught\n`)
  process.stdout.write(`${JSON.stringify({ ok: missed.length === 0, mutations: outcomes.length, missed, outcomes })}\n`)
  return missed.length === 0 && outcomes.length > 0 ? 0 : 1
}
