import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { styleText } from 'node:util'

/** `packages` reads what `types` has built, and so comes after it. */
const gates = [
  'types',
  'lint',
  'format',
  'boundaries',
  'cycles',
  'dead-code',
  'tidy',
  'docs',
  'links',
  'errors',
  'guarantees',
  'packages',
]

const asked = process.argv.slice(2)
const unheardOf = asked.filter((gate) => !gates.includes(gate))
if (unheardOf.length > 0) {
  console.error(`There is no gate ${unheardOf.join(', ')}. There are: ${gates.join(', ')}.`)
  process.exit(2)
}

const failed = gates.filter((gate) => (asked.length === 0 || asked.includes(gate)) && !passes(gate))

if (failed.length > 0) {
  console.log(
    styleText('red', `\nFailed: ${failed.join(', ')}.`) + ` To run these alone: npm run check -- ${failed.join(' ')}`,
  )
  process.exitCode = 1
}

/** All of them run, even after one has failed: one run tells everything. */
function passes(gate: string): boolean {
  const file = join(import.meta.dirname, `check-${gate}.ts`)
  return spawnSync(process.execPath, [file], { stdio: 'inherit' }).status === 0
}
