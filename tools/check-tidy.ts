import { filesUnder, readText } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'
import { findSpokenWords, findUnfinished } from './lib/words.ts'
import { workspacesOf } from './lib/workspaces.ts'

const maxLines = 400
const textFile = /\.(ts|mjs|js|json|sql|md|ya?ml|sh)$|(^|\/)(Dockerfile|\.npmrc)$/
const wordList = 'tools/banned-words.json'
/** Written by a test from all migrations together. */
const goldenSchema = 'packages/postgres/test/schema.sql'

await runGate({
  name: 'tidy',
  unit: 'files',
  minimum: 150,
  inspect: (root) => {
    const entryFiles = new Set(workspacesOf(root).flatMap((workspace) => workspace.entryFiles))
    const paths = filesUnder(root).filter((path) => textFile.test(path) && path !== wordList)
    const findings = paths.flatMap((path) => {
      const file: TextFile = { path, lines: readText(root, path).split('\n') }
      return [
        ...tooLong(file),
        ...secondIndex(file, entryFiles),
        ...testNotRun(file),
        ...findUnfinished(file.path, file.lines),
        ...findSpokenWords(file.path, file.lines),
        ...machinePath(file),
        ...registryHost(file),
      ]
    })
    return { examined: paths.length, findings }
  },
})

interface TextFile {
  readonly path: string
  readonly lines: readonly string[]
}

function tooLong({ path, lines }: TextFile): Finding[] {
  const length = lines.at(-1) === '' ? lines.length - 1 : lines.length
  if (!/\.(ts|mjs|sql)$/.test(path) || path === goldenSchema || length <= maxLines) return []
  return [
    {
      where: path,
      problem: `has ${length} lines, over the limit of ${maxLines}`,
      remedy: 'Move its second purpose to a file of its own.',
    },
  ]
}

function secondIndex({ path }: TextFile, entryFiles: ReadonlySet<string>): Finding[] {
  const inWorkspace = /^(packages|services)\//.test(path)
  if (!inWorkspace || !path.endsWith('/index.ts') || entryFiles.has(path)) return []
  return [
    {
      where: path,
      problem: 'is a barrel inside a package',
      remedy: 'Import from the file that has it; only an export of package.json may be an index.ts.',
    },
  ]
}

function testNotRun({ path, lines }: TextFile): Finding[] {
  if (!path.endsWith('.test.ts')) return []
  // What only root can do can only be tried by root; everything else is there or the run fails.
  const switchedOff =
    /\b(test|it|describe|suite|bench)(\.\w+)*\.(skip|only|todo|skipIf|fails|runIf(?!\(isRoot\)))\b|\bskip\(/
  return matching(path, lines, switchedOff, (text) => ({
    problem: `switches tests off with ${text}`,
    remedy: 'Make it pass or remove it. A missing server fails the run; it never skips.',
  }))
}

function machinePath({ path, lines }: TextFile): Finding[] {
  const somebodysFolder = /(?<![\w.\-/:}])\/(home|Users|root|work)\/\w+/
  return matching(path, lines, somebodysFolder, (text) => ({
    problem: `names ${text}, a folder of one machine`,
    remedy: 'Use a path relative to the file, or a temporary folder.',
  }))
}

function registryHost({ path, lines }: TextFile): Finding[] {
  const pattern =
    path === 'package-lock.json' ? /"resolved": "https?:[^"]*/ : path.endsWith('.npmrc') ? /registry *=.*/ : undefined
  if (pattern === undefined) return []
  return matching(path, lines, pattern, (text) => ({
    problem: `ties the installation to one registry: ${text}`,
    remedy: 'Remove it; .npmrc has omit-lockfile-registry-resolved for the lockfile.',
  }))
}

function matching(
  path: string,
  lines: readonly string[],
  pattern: RegExp,
  describe: (text: string) => Omit<Finding, 'where'>,
): Finding[] {
  return lines.flatMap((line, index) => {
    const match = pattern.exec(line)
    return match === null ? [] : [{ where: `${path}:${index + 1}`, ...describe(match[0].trim()) }]
  })
}
