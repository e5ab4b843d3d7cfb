import { join, posix, relative, resolve } from 'node:path'
import { codeFiles, readTextIfThere } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'
import { runCommand } from './lib/run-command.ts'

await runGate({
  name: 'types',
  unit: 'source files',
  minimum: 120,
  inspect: (root) => {
    const projects = projectsOf(root)
    const covered = new Set(projects.flatMap((project) => filesOf(root, project)))
    const build = runCommand(root, 'tsc', ['-b', '--pretty', 'false'])
    const findings = build.ok ? [] : errorsIn(build.output)
    return { examined: covered.size, findings: [...findings, ...uncovered(root, covered)] }
  },
})

function projectsOf(root: string): readonly string[] {
  const { references } = JSON.parse(readTextIfThere(root, 'tsconfig.json') ?? '{ "references": [] }') as {
    references: { path: string }[]
  }
  return references.map(({ path }) => (path.endsWith('.json') ? path : posix.join(path, 'tsconfig.json')))
}

/** What the compiler itself says it reads for a project. A project without files yet has none. */
function filesOf(root: string, project: string): readonly string[] {
  const shown = runCommand(root, 'tsc', ['-p', project, '--showConfig'])
  if (!shown.ok) return []
  const { files = [] } = JSON.parse(shown.output) as { files?: string[] }
  const folder = resolve(root, posix.dirname(project))
  return files.map((file) => relative(root, join(folder, file)).replaceAll('\\', '/'))
}

/** `path(line,column): error TS1234: message`, or a line of more detail, which is left out. */
function errorsIn(output: string): readonly Finding[] {
  const errors = [
    ...output.matchAll(/^(?:(?<file>\S+?)\((?<line>\d+),\d+\): )?error (?<code>TS\d+): (?<message>.*)$/gm),
  ]
  const findings = errors.map(({ groups }) => ({
    where: groups?.['file'] === undefined ? 'tsconfig' : `${groups['file']}:${groups['line'] ?? '?'}`,
    problem: groups?.['message'] ?? '',
    remedy: `${groups?.['code'] ?? ''}: \`npx tsc -b\` shows it in full.`,
  }))
  return findings.length > 0
    ? findings
    : [{ where: 'tsc -b', problem: output.trim() || 'failed', remedy: 'Run it to see more.' }]
}

/** A test that no project includes would never be type-checked, and nobody would notice. */
function uncovered(root: string, covered: ReadonlySet<string>): readonly Finding[] {
  const own = readTextIfThere(root, 'vitest.config.ts') === undefined ? [] : ['vitest.config.ts']
  return [...codeFiles(root), ...own]
    .filter((file) => !covered.has(file) && !file.endsWith('.d.ts'))
    .map((file) => ({
      where: file,
      problem: 'is not type-checked: no project of tsconfig.json includes it',
      remedy: 'Put it under src/ or test/ of its workspace, or add its project to the references.',
    }))
}
