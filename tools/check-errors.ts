import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readTextIfThere } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'

const registryPath = 'packages/core/src/errors.ts'
const pagePath = 'docs/errors.md'

await runGate({
  name: 'error codes',
  unit: 'codes',
  minimum: 30,
  inspect: async (root) => {
    const registry = await readRegistry(root)
    const page = readTextIfThere(root, pagePath)
    if (page === undefined) {
      const remedy = `Write ${pagePath}: for each code of ${registryPath}, what happened and what to do.`
      return { examined: registry.size, findings: [{ where: pagePath, problem: 'is missing', remedy }] }
    }
    const documented = readPage(page)
    return {
      examined: registry.size,
      findings: [...undocumented(registry, documented), ...unknown(registry, documented)],
    }
  },
})

async function readRegistry(root: string): Promise<ReadonlySet<string>> {
  if (readTextIfThere(root, registryPath) === undefined) return new Set()
  const module: unknown = await import(pathToFileURL(join(root, registryPath)).href)
  const registered =
    module !== null && typeof module === 'object' && 'errorCodes' in module ? module.errorCodes : undefined
  if (typeof registered !== 'object' || registered === null) throw new Error(`${registryPath} exports no errorCodes`)
  return new Set(Object.keys(registered))
}

interface Documented {
  readonly line: number
  /** In a heading or in a row's first cell, where a code is explained. Elsewhere it is only mentioned. */
  readonly explains: boolean
  readonly code: string
}

function readPage(page: string): readonly Documented[] {
  return page.split('\n').flatMap((text, index) =>
    [...text.matchAll(/ACUSE_[A-Z_]*[A-Z]/g)].map((match) => ({
      line: index + 1,
      explains: /^(#+\s|\|\s*)[`*]*$/.test(text.slice(0, match.index)),
      code: match[0],
    })),
  )
}

function undocumented(registry: ReadonlySet<string>, documented: readonly Documented[]): Finding[] {
  const explained = new Set(documented.filter(({ explains }) => explains).map(({ code }) => code))
  return [...registry]
    .filter((code) => !explained.has(code))
    .map((code) => ({
      where: registryPath,
      problem: `${code} is not explained in ${pagePath}`,
      remedy: 'Give it a heading or a table row of its own: what happened, and what to do.',
    }))
}

function unknown(registry: ReadonlySet<string>, documented: readonly Documented[]): Finding[] {
  return documented
    .filter(({ code }) => !registry.has(code))
    .map(({ code, line }) => ({
      where: `${pagePath}:${line}`,
      problem: `${code} is in no registry`,
      remedy: `Remove it, or add it to errorCodes in ${registryPath}.`,
    }))
}
