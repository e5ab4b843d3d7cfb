import { join } from 'node:path'
import { runGate, type Finding } from './lib/gate.ts'
import { runCommand } from './lib/run-command.ts'

await runGate({
  name: 'dead code',
  unit: 'source files',
  minimum: 120,
  inspect: (root) => {
    const reporter = join(import.meta.dirname, 'lib', 'knip-report.ts')
    const { output } = runCommand(root, 'knip', ['--no-progress', '--reporter', reporter])
    return readReport(output)
  },
})

function readReport(output: string): { examined: number; findings: readonly Finding[] } {
  const line = output.split('\n').find((text) => text.startsWith('{"examined"'))
  if (line === undefined) throw new Error(`knip did not get as far as a report: ${output}`)
  return JSON.parse(line) as { examined: number; findings: readonly Finding[] }
}
