import { relative } from 'node:path'
import type { Reporter } from 'knip'
import type { Finding } from './gate.ts'

type Options = Parameters<Reporter>[0]
type Issue = Options['issues'][keyof Options['issues']][string][string]

const meanings: Readonly<Record<string, { readonly problem: string; readonly remedy: string }>> = {
  files: { problem: 'nothing imports this file', remedy: 'Remove it, or import it where it is meant to be used.' },
  exports: { problem: 'nothing imports the export', remedy: 'Remove it, or keep it inside the file.' },
  types: { problem: 'nothing imports the type', remedy: 'Remove it, or keep it inside the file.' },
  duplicates: { problem: 'exported twice:', remedy: 'Keep one of the names.' },
  dependencies: { problem: 'unused dependency', remedy: 'Remove it from package.json.' },
  devDependencies: { problem: 'unused development dependency', remedy: 'Remove it from package.json.' },
  unlisted: { problem: 'imported, but not in package.json:', remedy: 'Add it to the package.json of this workspace.' },
  binaries: { problem: 'a script runs a command of no dependency:', remedy: 'Add the package that brings it.' },
  unresolved: { problem: 'the import leads nowhere:', remedy: 'Correct the path or the name.' },
}

/** Knip calls this with what it found; the gate reads the line it writes. */
const report: Reporter = ({ issues, report: wanted, counters, cwd }) => {
  const findings = Object.entries(issues).flatMap(([type, byFile]) => {
    if (!wanted[type as keyof typeof wanted]) return []
    return Object.values(byFile).flatMap((bySymbol) =>
      Object.values(bySymbol).map((issue) => toFinding(type, issue, cwd)),
    )
  })
  console.log(JSON.stringify({ examined: counters.total, findings }))
}

export default report

function toFinding(type: string, issue: Issue, cwd: string): Finding {
  const { problem, remedy } = meanings[type] ?? { problem: type, remedy: 'See https://knip.dev/reference/issue-types.' }
  const file = relative(cwd, issue.filePath)
  const where = issue.line === undefined ? file : `${file}:${issue.line}`
  return { where, problem: type === 'files' ? problem : `${problem} ${issue.symbol}`, remedy }
}
