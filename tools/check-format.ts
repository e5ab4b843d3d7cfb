import { runGate } from './lib/gate.ts'
import { join } from 'node:path'
import { repository, runCommand } from './lib/run-command.ts'

await runGate({
  name: 'format',
  unit: 'files',
  minimum: 120,
  inspect: (root) => {
    const { ok, output } = runCommand(root, 'oxfmt', ['--config', join(repository, '.oxfmtrc.json'), '--check', '.'])
    const examined = Number(/ on (?<files>\d+) files?/.exec(output)?.groups?.['files'] ?? 0)
    const unformatted = [...output.matchAll(/^(?<file>\S.*) \(\d+m?s\)$/gm)].map(({ groups }) => groups?.['file'] ?? '')
    if (!ok && unformatted.length === 0) throw new Error(`oxfmt failed: ${output}`)
    const findings = unformatted.map((file) => ({
      where: file,
      problem: 'is not formatted',
      remedy: '`npm run format` does it.',
    }))
    return { examined, findings }
  },
})
