import { runGate, type Finding } from './lib/gate.ts'
import { join } from 'node:path'
import { repository, runCommand } from './lib/run-command.ts'

interface Report {
  readonly number_of_files: number
  readonly diagnostics: readonly Diagnostic[]
}

interface Diagnostic {
  readonly message: string
  readonly code?: string
  readonly filename: string
  readonly help?: string
  readonly labels: readonly { readonly span: { readonly line: number } }[]
}

await runGate({
  name: 'lint',
  unit: 'files',
  minimum: 120,
  inspect: (root) => {
    const { output } = runCommand(root, 'oxlint', [
      '--config',
      join(repository, '.oxlintrc.json'),
      '--format',
      'json',
      '.',
    ])
    const report = readReport(output)
    return { examined: report.number_of_files, findings: report.diagnostics.map(toFinding) }
  },
})

function readReport(output: string): Report {
  try {
    return JSON.parse(output) as Report
  } catch (error) {
    throw new Error(`oxlint did not get as far as a report: ${output}`, { cause: error })
  }
}

function toFinding({ message, code, filename, help, labels }: Diagnostic): Finding {
  const line = labels[0]?.span.line ?? 1
  return { where: `${filename}:${line}`, problem: message, remedy: [code, help].filter(Boolean).join(': ') }
}
