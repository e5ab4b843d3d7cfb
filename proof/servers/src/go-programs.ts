import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installed } from './cache.ts'
import { runGo } from './go.ts'
import { makeWhole, type Report } from './make-whole.ts'

/** The Go programs of the examples: a module. */
const source = fileURLToPath(new URL('../../../examples/go', import.meta.url))
const buildTimeoutMs = 5 * 60_000

/** What errors and the list of what is installed call it. */
export const goModules = 'What the Go programs of the examples need'

/** The folder's name in the cache: another one when they need something else. */
export const goModulesName: string = `go-modules-${digestOf(readFileSync(join(source, 'go.sum')))}`

/** Gets the modules and compiles them, unless they are there: what is built afterwards asks nobody. */
export async function installGoModules(report: Report): Promise<void> {
  await makeWhole(goModulesName, report, async (folder, timeoutMs) => {
    report('downloads and compiles')
    await runGo(goModules, ['build', './...'], { timeoutMs, cwd: source, env: environment(folder) })
  })
}

/**
 * Runs Go in the module of the examples, without a network: `build`, `test`.
 *
 * @throws Error when `npm run servers` was not run, when there is no Go, and what Go complains of.
 */
export async function goInExamples(command: readonly string[]): Promise<string> {
  const folder = installed(goModulesName, goModules)
  const env = { ...environment(folder), GOPROXY: 'off' }
  return await runGo(`examples/go (go ${command.join(' ')})`, command, { timeoutMs: buildTimeoutMs, cwd: source, env })
}

/** Paths of its own, so that Go leaves nothing elsewhere. Trimmed ones, as the folder is moved once it is whole. */
function environment(folder: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    GOMODCACHE: join(folder, 'modules'),
    GOCACHE: join(folder, 'compiled'),
    GOFLAGS: '-modcacherw -trimpath -buildvcs=false -mod=readonly',
    CGO_ENABLED: '0',
  }
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 10)
}
